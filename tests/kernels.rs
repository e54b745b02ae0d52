//! Every kind of layer: the two sets of kernels against each other, and gradients against finite differences.

mod support;

use candle_core::{Device, Result, Tensor};
use gradlens::kernels::{
    Activation, Conv2d, Gate, GlobalAvgPool, KernelSet, Map, MaxPool, Padding, ReluRule, add, concat, concat_vjp,
};
use proptest::prelude::*;
use support::{relative_error, values};

const BOTH: [KernelSet; 2] = [KernelSet::Fast, KernelSet::Candle];

fn random(seed: u64, shape: (usize, usize, usize, usize)) -> Tensor {
    let (n, c, h, w) = shape;
    gradlens::optim::noise(&mut gradlens::optim::step_rng(seed, 0), &[n, c, h, w], &Device::Cpu).expect("noise")
}

fn map(x: &Tensor, set: KernelSet) -> Map {
    Map::from_tensor(x, set).expect("a map")
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    values(a).iter().zip(values(b)).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
}

/// ⟨J·v, u⟩ measured by central differences against ⟨v, Jᵀ·u⟩ from the layer's vjp, on both sets of kernels.
fn check(
    name: &str,
    x: &Tensor,
    forward: impl Fn(&Map) -> Result<Map>,
    vjp: impl Fn(&Map, &Map, &Map) -> Result<Map>,
) {
    let mut gradients = vec![];
    for set in BOTH {
        let y = forward(&map(x, set)).expect("forward");
        let [n, c, h, w] = y.shape();
        let u = random(77, (n, c, h, w));
        let dx = vjp(&map(x, set), &y, &map(&u, set)).expect("vjp").to_tensor().expect("a tensor");
        assert_eq!(dx.dims(), x.dims(), "{name} on {set:?}");
        let v = random(78, x.dims4().expect("four dimensions"));
        let at = |t: f64| -> Result<f64> {
            let y = forward(&map(&(x + (&v * t)?)?, set))?.to_tensor()?;
            Ok(dot(&y, &u))
        };
        let step = 1e-3;
        let measured = (at(step).expect("forward") - at(-step).expect("forward")) / (2.0 * step);
        let claimed = dot(&v, &dx);
        let scale = (dot(&v, &v) * dot(&dx, &dx)).sqrt();
        assert!((measured - claimed).abs() < 5e-3 * scale, "{name} on {set:?}: {claimed} for {measured}");
        gradients.push(values(&dx));
    }
    let error = relative_error(&gradients[0], &gradients[1]);
    assert!(error < 1e-5, "{name}: the two sets differ by {error}");
}

fn conv(seed: u64, shape: (usize, usize, usize, usize), stride: usize, pad: Padding, groups: usize) -> Conv2d {
    let bias = random(seed + 1, (1, shape.0, 1, 1)).flatten_all().expect("a bias");
    Conv2d::new(random(seed, shape), Some(bias), stride, pad, groups).expect("a convolution")
}

#[test]
fn convolutions() {
    let cases = [
        ("3×3", conv(1, (5, 3, 3, 3), 1, Padding::Explicit(1), 1)),
        ("3×3 stride 2 SAME (a stem)", conv(2, (6, 3, 3, 3), 2, Padding::Same, 1)),
        ("1×1", conv(3, (20, 3, 1, 1), 1, Padding::Explicit(0), 1)),
        ("1×1 stride 2 (a shortcut)", conv(4, (7, 3, 1, 1), 2, Padding::Explicit(0), 1)),
        ("7×7 stride 2", conv(5, (4, 3, 7, 7), 2, Padding::Explicit(3), 1)),
        ("11×11 stride 4", conv(6, (4, 3, 11, 11), 4, Padding::Explicit(2), 1)),
        ("3×3 depthwise", conv(7, (3, 1, 3, 3), 1, Padding::Same, 3)),
        ("5×5 depthwise stride 2 SAME", conv(8, (3, 1, 5, 5), 2, Padding::Same, 3)),
        ("3×5, not square", conv(9, (4, 3, 3, 5), 1, Padding::Same, 1)),
    ];
    for (name, conv) in cases {
        for (h, w) in [(13, 18), (16, 11), (12, 12)] {
            let x = random(40, (2, 3, h, w));
            check(name, &x, |x| conv.forward(x, None), |_, _, dy| conv.vjp((h, w), dy));
        }
    }
    let grouped = conv(10, (8, 2, 3, 3), 1, Padding::Explicit(1), 2);
    let x = random(41, (1, 4, 9, 7));
    check("grouped", &x, |x| grouped.forward(x, None), |_, _, dy| grouped.vjp((9, 7), dy));
}

#[test]
fn a_linear_layer_over_a_whole_map() {
    let linear = conv(11, (10, 6, 3, 4), 1, Padding::Explicit(0), 1);
    let x = random(42, (2, 6, 3, 4));
    check("linear", &x, |x| linear.forward(x, None), |_, _, dy| linear.vjp((3, 4), dy));
}

#[test]
fn rectifiers() {
    // Away from the kinks, where there is no derivative to compare with.
    let x = (random(43, (2, 5, 6, 7)) * 4.0).and_then(|x| x.round()).and_then(|x| x + 0.5).expect("half numbers");
    for activation in [Activation::Relu, Activation::Relu6] {
        check(
            "rectifier",
            &x,
            |x| activation.forward(x.clone()),
            |_, y, dy| activation.vjp(y, dy.clone(), ReluRule::Standard),
        );
    }
}

#[test]
fn rules_of_rectifiers() {
    let row = |v: [f32; 6]| Tensor::new(&v, &Device::Cpu).and_then(|t| t.reshape((1, 1, 1, 6))).expect("a row");
    let (x, dy) = (row([-1.0, 0.0, 3.0, 3.0, 6.0, 7.0]), row([1.0, 1.0, 1.0, -1.0, 1.0, 1.0]));
    let cases = [
        (ReluRule::Standard, [0.0, 0.0, 1.0, -1.0, 0.0, 0.0]),
        (ReluRule::Guided, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
        (ReluRule::Deconvnet, [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]),
    ];
    for set in BOTH {
        let y = Activation::Relu6.forward(map(&x, set)).expect("forward");
        for (rule, expected) in cases {
            let dx = Activation::Relu6.vjp(&y, map(&dy, set), rule).and_then(|m| m.to_tensor()).expect("vjp");
            assert_eq!(values(&dx), expected, "{rule:?} on {set:?}");
        }
    }
}

#[test]
fn pooling() {
    let pools = [
        MaxPool { kernel: 2, stride: 2, padding: 0, ceil: false },
        MaxPool { kernel: 3, stride: 2, padding: 0, ceil: true },
        MaxPool { kernel: 3, stride: 2, padding: 1, ceil: false },
        MaxPool { kernel: 3, stride: 1, padding: 1, ceil: false },
    ];
    for pool in pools {
        for (h, w) in [(8, 8), (9, 12), (7, 5)] {
            let x = random(44, (2, 3, h, w));
            check(&format!("{pool:?} on {h}×{w}"), &x, |x| pool.forward(x), |x, _, dy| pool.vjp(x, dy));
        }
    }
    let x = random(45, (3, 4, 5, 6));
    check("mean", &x, |x| GlobalAvgPool.forward(x), |_, _, dy| GlobalAvgPool.vjp((5, 6), dy));
}

#[test]
fn ties_go_to_the_first_pixel() {
    let x = Tensor::ones((1, 1, 2, 2), candle_core::DType::F32, &Device::Cpu).expect("ones");
    let pool = MaxPool { kernel: 2, stride: 2, padding: 0, ceil: false };
    let dy = Tensor::new(&[[[[5f32]]]], &Device::Cpu).expect("a gradient");
    for set in BOTH {
        let dx = pool.vjp(&map(&x, set), &map(&dy, set)).and_then(|m| m.to_tensor()).expect("vjp");
        assert_eq!(values(&dx), [5.0, 0.0, 0.0, 0.0], "{set:?}");
    }
}

#[test]
fn joins() {
    let (a, b) = (random(46, (2, 3, 4, 5)), random(47, (2, 4, 4, 5)));
    for set in BOTH {
        let (ma, mb) = (map(&a, set), map(&b, set));
        let joined = concat(&[&ma, &mb]).expect("joined");
        assert_eq!(joined.shape(), [2, 7, 4, 5]);
        let parts = concat_vjp(&joined, &[3, 4]).expect("parts");
        assert_eq!(values(&parts[0].to_tensor().expect("a")), values(&a));
        assert_eq!(values(&parts[1].to_tensor().expect("b")), values(&b));
        let sum = add(ma.clone(), &ma).and_then(|m| m.to_tensor()).expect("a sum");
        assert_eq!(values(&sum), values(&(&a * 2.0).expect("doubled")));
        assert!(add(ma, &mb).is_err(), "maps of different shapes cannot be added");
    }
}

#[test]
fn wrong_inputs_are_errors() {
    let layer = conv(12, (4, 3, 5, 5), 1, Padding::Explicit(0), 1);
    for set in BOTH {
        assert!(layer.forward(&map(&random(1, (1, 2, 9, 9)), set), None).is_err(), "channels");
        assert!(layer.forward(&map(&random(1, (1, 3, 4, 9)), set), None).is_err(), "too small");
        assert!(layer.vjp((9, 9), &map(&random(1, (1, 4, 9, 9)), set)).is_err(), "not the output's size");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The fast kernels against candle's convolution, on shapes nobody would think of.
    #[test]
    fn fast_convolutions_agree_with_candle(
        n in 1usize..3, i in 1usize..40, o in 1usize..70, h in 1usize..20, w in 1usize..40,
        k in 1usize..6, stride in 1usize..4, same: bool, depthwise: bool, seed in 0u64..1000,
    ) {
        let padding = if same { Padding::Same } else { Padding::Explicit(k / 2) };
        let (o, per_group, groups) = if depthwise && i > 1 { (i, 1, i) } else { (o, i, 1) };
        let layer = conv(seed, (o, per_group, k, k), stride, padding, groups);
        let x = random(seed + 7, (n, i, h, w));
        let run = |set| layer.forward(&map(&x, set), Some(Activation::Relu6));
        match (run(KernelSet::Fast), run(KernelSet::Candle)) {
            (Ok(fast), Ok(candle)) => {
                let (a, b) = (values(&fast.to_tensor().expect("computed")), values(&candle.to_tensor().expect("computed")));
                prop_assert!(relative_error(&a, &b) < 1e-5);
                let back = |set| layer.vjp((h, w), &map(&fast.to_tensor().expect("computed"), set)).expect("computed");
                let a = values(&back(KernelSet::Fast).to_tensor().expect("computed"));
                let b = values(&back(KernelSet::Candle).to_tensor().expect("computed"));
                prop_assert!(relative_error(&a, &b) < 1e-5);
            }
            (fast, candle) => prop_assert!(fast.is_err() && candle.is_err()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// ⟨J·v, u⟩ = ⟨v, Jᵀ·u⟩ exactly, for whatever the layer adds and gates on the way.
    #[test]
    fn gradients_are_transposes(
        i in 1usize..40, o in 1usize..40, h in 3usize..20, w in 3usize..20,
        k in 1usize..5, stride in 1usize..3, depthwise: bool, seed in 0u64..1000,
    ) {
        let (o, per_group, groups) = if depthwise && i > 1 { (i, 1, i) } else { (o, i, 1) };
        let layer = Conv2d::new(random(seed, (o, per_group, k, k)), None, stride, Padding::Same, groups).expect("a layer");
        let (v, onto) = (random(seed + 1, (1, i, h, w)), random(seed + 2, (1, i, h, w)));
        let forward = layer.forward(&map(&v, KernelSet::Fast), None).and_then(|y| y.to_tensor()).expect("forward");
        let u = random(seed + 3, forward.dims4().expect("four dimensions"));
        let (u_map, onto_map) = (map(&u, KernelSet::Fast), map(&onto, KernelSet::Fast));
        let back = layer.vjp((h, w), &u_map).and_then(|x| x.to_tensor()).expect("vjp");
        let scale = (dot(&v, &v) * dot(&back, &back)).sqrt();
        prop_assert!((dot(&forward, &u) - dot(&v, &back)).abs() < 1e-5 * scale + 1e-6);
        // What arrives from elsewhere is added, then the rectifier gates, on the way as one by one.
        let y = Activation::Relu6.forward(map(&(&v * 4.0).expect("scaled"), KernelSet::Fast)).expect("a rectifier");
        for rule in [ReluRule::Standard, ReluRule::Guided, ReluRule::Deconvnet] {
            let gate = Gate { y: &y, activation: Activation::Relu6, rule };
            let at_once = layer.vjp_through((h, w), &u_map, Some(&onto_map), Some(gate)).expect("vjp");
            let sum = add(layer.vjp((h, w), &u_map).expect("vjp"), &onto_map).expect("a sum");
            let apart = Activation::Relu6.vjp(&y, sum, rule).expect("a gate");
            let (a, b) = (at_once.to_tensor().expect("computed"), apart.to_tensor().expect("computed"));
            prop_assert_eq!(values(&a), values(&b));
        }
    }

    /// Pooling's gradient under what is added and gated on the way, windows that overlap and windows that do not.
    #[test]
    fn pooling_gradients_agree_with_candle(
        c in 1usize..40, h in 4usize..20, w in 4usize..20, kernel in 2usize..4, stride in 1usize..4, ceil: bool,
        seed in 0u64..1000,
    ) {
        let pool = MaxPool { kernel, stride, padding: 0, ceil };
        let (x, onto) = (random(seed, (2, c, h, w)), random(seed + 1, (2, c, h, w)));
        let run = |set| {
            let x = map(&x, set);
            let y = pool.forward(&x).expect("forward");
            let [n, c, h, w] = y.shape();
            let dy = map(&random(seed + 2, (n, c, h, w)), set);
            let rectified = Activation::Relu.forward(x.clone()).expect("a rectifier");
            let gate = Gate { y: &rectified, activation: Activation::Relu, rule: ReluRule::Standard };
            let dx = pool.vjp_through(&x, &dy, Some(&map(&onto, set)), Some(gate)).expect("vjp");
            (values(&y.to_tensor().expect("computed")), values(&dx.to_tensor().expect("computed")))
        };
        let (fast, candle) = (run(KernelSet::Fast), run(KernelSet::Candle));
        prop_assert_eq!(fast.0, candle.0);
        prop_assert!(relative_error(&fast.1, &candle.1) < 1e-6);
    }

    /// The distance of two maps, and their difference, against candle's.
    #[test]
    fn squared_differences_agree_with_candle(n in 1usize..3, c in 1usize..40, h in 1usize..40, w in 1usize..40, seed in 0u64..1000) {
        let (x, y) = (random(seed, (n, c, h, w)), random(seed + 1, (n, c, h, w)));
        let run = |set| -> Result<(f64, Vec<f32>)> {
            let (sum, difference) = map(&x, set).squared_difference(&map(&y, set), 0.3)?;
            Ok((sum, values(&difference.to_tensor()?)))
        };
        let (fast, candle) = (run(KernelSet::Fast).expect("computed"), run(KernelSet::Candle).expect("computed"));
        prop_assert!((fast.0 - candle.0).abs() <= 1e-5 * candle.0);
        prop_assert!(relative_error(&fast.1, &candle.1) < 1e-6);
    }

    /// F Fᵀ and M F against candle's matrix products.
    #[test]
    fn products_of_channels_agree_with_candle(c in 1usize..80, h in 1usize..60, w in 1usize..60, seed in 0u64..1000) {
        let x = random(seed, (1, c, h, w));
        let run = |set| -> Result<[Vec<f32>; 2]> {
            let x = map(&x, set);
            let gram = x.channel_products()?;
            let mixed = x.mixed_channels(&gram)?.to_tensor()?;
            Ok([values(&gram), values(&mixed)])
        };
        let (fast, candle) = (run(KernelSet::Fast).expect("computed"), run(KernelSet::Candle).expect("computed"));
        prop_assert!(relative_error(&fast[0], &candle[0]) < 1e-5);
        prop_assert!(relative_error(&fast[1], &candle[1]) < 1e-5);
    }
}

/// All of the above once more with narrower vectors than this processor has.
#[test]
fn narrower_vectors_agree_too() {
    if std::env::var_os("GRADLENS_SIMD").is_some() {
        return;
    }
    let me = std::env::current_exe().expect("a program");
    for level in ["baseline", "avx2"] {
        let run = std::process::Command::new(&me).env("GRADLENS_SIMD", level).output().expect("the tests run");
        assert!(run.status.success(), "{level}: {}", String::from_utf8_lossy(&run.stdout));
    }
}
