//! Each kernel on its own, on shapes of the networks: `cargo bench`.

use candle_core::{Device, Tensor};
use divan::Bencher;
use gradlens::kernels::{
    Activation, Conv2d, ConvShape, GlobalAvgPool, KernelSet, Map, MaxPool, Padding, WindowShape, in_pool,
};
use gradlens::optim::{noise, step_rng};

fn main() {
    divan::main();
}

fn random(shape: &[usize]) -> Tensor {
    noise(&mut step_rng(1, 0), shape, &Device::Cpu).expect("noise")
}

fn map(shape: [usize; 3]) -> Map {
    let [c, h, w] = shape;
    Map::from_tensor(&random(&[1, c, h, w]), KernelSet::Fast).expect("a map")
}

/// Name, output channels, input `[C, H, W]`, side of the kernel, stride, groups.
type Shape = (&'static str, usize, [usize; 3], usize, usize, usize);

const SHAPES: &[Shape] = &[
    ("winograd 64 256²", 64, [64, 256, 256], 3, 1, 1),
    ("winograd 512 32²", 512, [512, 32, 32], 3, 1, 1),
    ("pointwise 16→96 112²", 96, [16, 112, 112], 1, 1, 1),
    ("pointwise 672→112 14²", 112, [672, 14, 14], 1, 1, 1),
    ("pointwise 192→1152 7²", 1152, [192, 7, 7], 1, 1, 1),
    ("stem 3→32 224² stride 2", 32, [3, 224, 224], 3, 2, 1),
    ("7×7 3→64 224² stride 2", 64, [3, 224, 224], 7, 2, 1),
    ("depthwise 3×3 32 112²", 32, [32, 112, 112], 3, 1, 32),
    ("depthwise 5×5 672 14²", 672, [672, 14, 14], 5, 1, 672),
    ("depthwise 3×3 96 112² stride 2", 96, [96, 112, 112], 3, 2, 96),
    ("depthwise 7×7 96 56²", 96, [96, 56, 56], 7, 1, 96),
    ("32 groups of 4 56²", 128, [128, 56, 56], 3, 1, 32),
    ("32 groups of 8 56² stride 2", 256, [256, 56, 56], 3, 2, 32),
    ("32 groups of 32 7²", 1024, [1024, 7, 7], 3, 1, 32),
];

fn conv(&(_, o, [c, _, _], k, stride, groups): &Shape) -> Conv2d {
    let bias = random(&[1, o, 1, 1]).flatten_all().expect("a bias");
    let shape = ConvShape { stride: [stride; 2], padding: Padding::SameUpper, groups, ..ConvShape::default() };
    Conv2d::new(random(&[o, c / groups, k, k]), Some(bias), shape).expect("a convolution")
}

fn names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|s| s.0)
}

fn shape(name: &str) -> &'static Shape {
    SHAPES.iter().find(|s| s.0 == name).expect("a shape")
}

#[divan::bench(args = names())]
fn forward(bencher: Bencher, name: &str) {
    let (conv, x) = (conv(shape(name)), map(shape(name).2));
    bencher.bench_local(|| in_pool(|| conv.forward(&x, Some(Activation::Relu6)).expect("a pass")));
}

#[divan::bench(args = names())]
fn gradient(bencher: Bencher, name: &str) {
    let (conv, [c, h, w]) = (conv(shape(name)), shape(name).2);
    let y = conv.forward(&map([c, h, w]), None).expect("a pass");
    bencher.bench_local(|| in_pool(|| conv.vjp((h, w), &y).expect("a gradient")));
}

const POOLS: &[(&str, WindowShape)] =
    &[("2×2", WindowShape::square(2, 2)), ("3×3 stride 2", WindowShape { ceil: true, ..WindowShape::square(3, 2) })];

#[divan::bench(args = POOLS.iter().map(|p| p.0))]
fn max_pool_and_gradient(bencher: Bencher, name: &str) {
    let window = POOLS.iter().find(|p| p.0 == name).expect("a pool").1;
    let (pool, x) = (MaxPool { window }, map([64, 112, 112]));
    bencher.bench_local(|| in_pool(|| pool.vjp(&x, &pool.forward(&x).expect("a pass")).expect("a gradient")));
}

#[divan::bench]
fn global_mean(bencher: Bencher) {
    let x = map([1280, 7, 7]);
    bencher.bench_local(|| GlobalAvgPool.forward(&x).expect("a pass"));
}

#[divan::bench(args = [[64, 256, 256], [512, 32, 32]])]
fn gram(bencher: Bencher, shape: [usize; 3]) {
    let x = map(shape);
    bencher.bench_local(|| in_pool(|| x.channel_products().expect("a matrix")));
}
