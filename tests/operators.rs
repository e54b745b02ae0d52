//! Every operator as a network of its own: gradients against finite differences, the two sets of kernels against each
//! other, several pictures against each alone, and what the rules of relevance promise.

mod support;

#[path = "support/case.rs"]
mod case;

use candle_core::Tensor;
use case::{
    Case,
    Method::{DeepLift, FullGrad, Lrp},
    random,
};
use gradlens::graph::LayerName;
use gradlens::graph::ops::{
    Affine, AveragePooling, Binary, Concat, Constant, Convolution, DepthToSpace, Elementwise, Expand, Gather,
    GlobalAveragePooling, Linear, LocalResponseNorm, LpNorm, MatMul, MaxPooling, Normalisation, Pad, ParametricRelu,
    Range, Rectifier, Reduce, Reshape, Resize, RmsNorm, Select, Slice, Softmax, Sum, Tile, Transpose,
    TransposedConvolution,
};
use gradlens::kernels::{self, BlockOrder, Conv2d, ConvShape, Function, PadMode, Padding, Reduction};
use gradlens::kernels::{AvgPool, ConvTranspose2d, MaxPool, Side, WindowShape};
use support::add;

fn check(cases: impl IntoIterator<Item = Case>) {
    cases.into_iter().for_each(|case| case.check());
}

/// Half numbers: away from kinks at whole ones.
fn halves(x: Tensor) -> candle_core::Result<Tensor> {
    (x * 3.0)?.round()? + 0.5
}

fn conv(shape: [usize; 4], stride: usize) -> Convolution {
    let bias = random(21, &shape[..1]);
    let geometry = ConvShape { stride: [stride; 2], padding: Padding::SameUpper, ..ConvShape::default() };
    Convolution::new(Conv2d::new(random(20, &shape), Some(bias), geometry).expect("a convolution"))
}

fn affine(channels: usize, axis: usize) -> Affine {
    Affine::new(Some(random(28, &[channels])), Some(random(29, &[channels])), axis).expect("an affine function")
}

#[test]
fn layers_with_weights() {
    let linear = |o: usize, i: usize, axis| {
        Linear::new(&random(22, &[o, i]), Some(random(23, &[o])), axis).expect("a linear layer")
    };
    let grouped = ConvShape { stride: [2, 1], padding: Padding::Explicit([1, 0, 2, 1]), dilation: [1, 2], groups: 2 };
    let grouped = Conv2d::new(random(24, &[6, 2, 3, 3]), Some(random(25, &[6])), grouped).expect("a convolution");
    let stride = ConvShape { stride: [2, 2], padding: Padding::uniform(1), ..ConvShape::default() };
    let transposed = ConvTranspose2d::new(&random(26, &[4, 3, 3, 3]), Some(random(27, &[3])), stride, [1, 1]);
    check([
        Case::of("convolution", [3, 7, 6], conv([4, 3, 3, 3], 2)),
        Case::of("grouped convolution", [4, 9, 8], Convolution::new(grouped)),
        Case::of("transposed convolution", [4, 4, 5], TransposedConvolution::new(transposed.expect("a convolution"))),
        Case::of("batch-norm", [4, 3, 5], affine(4, 1)),
        Case::reshaped("scale of tokens", &[1, 5, 4], affine(4, 2)),
        Case::reshaped("linear", &[1, 12], linear(5, 12, 1)),
        Case::reshaped("linear over tokens", &[1, 7, 12], linear(5, 12, 2)),
        Case::reshaped("linear over channels last", &[1, 3, 2, 8], linear(5, 8, 3)),
        Case::of("linear over channels", [6, 4, 3], linear(5, 6, 1)),
    ]);
}

#[test]
fn rectifiers_sums_and_pooling() {
    let means = WindowShape { padding: Padding::Explicit([1, 0, 1, 1]), ceil: true, ..WindowShape::square(3, 2) };
    let pool = MaxPool { window: WindowShape { ceil: true, ..WindowShape::square(3, 2) } };
    check([
        Case::of("ReLU", [3, 4, 5], Rectifier::RELU).prepared(halves),
        Case::of("ReLU6", [3, 4, 5], Rectifier::RELU6).prepared(|x| halves((x * 3.0)?)),
        Case::reshaped("ReLU of tokens", &[1, 4, 6], Rectifier::RELU).prepared(halves),
        Case::of("max-pooling", [3, 8, 7], MaxPooling::new(pool)),
        Case::of("mean", [3, 4, 5], GlobalAveragePooling),
        Case::of(
            "average pooling",
            [3, 8, 7],
            AveragePooling::new(AvgPool { window: means, count_include_pad: true }),
        ),
        Case::of(
            "average of what is there",
            [3, 8, 7],
            AveragePooling::new(AvgPool { window: means, count_include_pad: false }),
        ),
        Case::of_two("sum", &[1, 2, 3, 4], &[1, 2, 3, 4], Sum),
        Case::of_two("sum of tokens", &[1, 5, 4], &[1, 5, 4], Sum),
    ]);
}

#[test]
fn moving_values() {
    let backwards = Range { axis: 2, start: 5, count: 3, step: -2 };
    let shuffled = Gather::new(1, &[2, 0, 3, 1], vec![4]).expect("places");
    let twice = Gather::new(2, &[1, 1, 4, 0], vec![2, 2]).expect("places");
    let one = Gather::new(1, &[0], vec![]).expect("a place");
    check([
        Case::of("reshaping", [4, 3, 2], Reshape::new(vec![1, 6, 4])),
        Case::of("flattening", [4, 3, 2], Reshape::new(vec![1, 24])),
        Case::new("heads to the front", [4, 3, 2], |graph, input| {
            let heads = add(graph, Reshape::new(vec![4, 6]), &[input]);
            add(graph, Reshape::new(vec![1, 2, 12]), &[heads])
        }),
        Case::of("channels last", [4, 3, 2], Transpose::new(vec![0, 2, 3, 1])),
        Case::reshaped("channels first", &[1, 3, 2, 4], Transpose::new(vec![0, 3, 1, 2])),
        Case::reshaped("transposed heads", &[1, 3, 2, 4], Transpose::new(vec![0, 2, 1, 3])),
        Case::new("transposed pictures", [2, 3, 4], |graph, input| {
            let heads = add(graph, Transpose::new(vec![1, 2, 0, 3]), &[input]);
            add(graph, Transpose::new(vec![2, 0, 1, 3]), &[heads])
        }),
        Case::of("channels", [5, 3, 4], Slice::part(1, 1, 3)),
        Case::of(
            "every other line, backwards",
            [2, 6, 4],
            Slice::new(vec![backwards, Range { axis: 3, start: 0, count: 2, step: 2 }]),
        ),
        Case::of("shuffle", [4, 3, 2], shuffled),
        Case::reshaped("the same place twice", &[1, 2, 5], twice),
        Case::reshaped("the class's token", &[1, 4, 5], one),
        Case::reshaped("expansion", &[1, 1, 5], Expand::new(vec![1, 3, 5])),
        Case::reshaped("tiling", &[1, 2, 3], Tile::new(vec![1, 2, 3])),
        Case::of_two("tokens joined", &[1, 2, 4], &[1, 3, 4], Concat::new(1)),
        Case::of_two("channels joined", &[1, 2, 3, 4], &[1, 5, 3, 4], Concat::CHANNELS),
        Case::of_two("lines joined", &[1, 2, 3, 4], &[1, 2, 1, 4], Concat::new(2)),
        Case::of_two(
            "choice",
            &[1, 3, 4],
            &[1, 1, 4],
            Select::new(&random(30, &[3, 4]).relu().expect("a condition")).expect("a choice"),
        ),
        Case::new("choice by a comparison", [4, 3, 2], |graph, input| {
            let limit = random(31, &[4, 1, 1]);
            let below = Binary::with_constant(kernels::Binary::Less, limit, kernels::Side::Right);
            let below = add(graph, below, &[input]);
            let square = add(graph, Elementwise::new(Function::Square), &[input]);
            add(graph, Select::by_input(), &[below, square, input])
        })
        .without(&[DeepLift])
        .prepared(halves),
    ]);
}

#[test]
fn functions_of_each_value() {
    let positive: fn(Tensor) -> candle_core::Result<Tensor> = |x| x.abs()? + 0.3;
    let smooth = [
        Function::Sigmoid,
        Function::HARD_SIGMOID,
        Function::HardSwish,
        Function::SILU,
        Function::Gelu,
        Function::GeluTanh,
        Function::LeakyRelu { alpha: 0.1 },
        Function::Elu { alpha: 1.0 },
        Function::SELU,
        Function::Tanh,
        Function::Softplus,
        Function::Mish,
        Function::Clip { low: -1.0, high: 2.0 },
        Function::Exp,
        Function::Abs,
        Function::Neg,
        Function::Erf,
        Function::Square,
    ];
    check(smooth.map(|f| Case::of(&format!("{f:?}"), [3, 4, 5], Elementwise::new(f)).prepared(halves)));
    let of_positive = [Function::Sqrt, Function::Log, Function::Reciprocal, Function::Power { exponent: 1.7 }];
    check(of_positive.map(|f| Case::of(&format!("{f:?}"), [3, 4, 5], Elementwise::new(f)).prepared(positive)));
    let slopes = random(32, &[4]);
    let prelu = |axis| ParametricRelu::new(&slopes, axis).expect("slopes");
    check([
        Case::reshaped("GELU of tokens", &[1, 5, 4], Elementwise::new(Function::Gelu)),
        Case::of("parametric ReLU", [4, 3, 5], prelu(1)).prepared(halves),
        Case::reshaped("parametric ReLU of tokens", &[1, 3, 4], prelu(2)).prepared(halves),
    ]);
}

#[test]
fn functions_of_two_values() {
    use kernels::Binary::{Add, Div, Max, Min, Mul, Pow, Sub};
    let apart: fn(Tensor) -> candle_core::Result<Tensor> = |x| x.abs()? + 0.4;
    let maps = |f, name: &str| Case::of_two(name, &[1, 2, 3, 4], &[1, 2, 3, 4], Binary::new(f));
    let gate = |f, name: &str| Case::of_two(name, &[1, 3, 2, 4], &[1, 3, 1, 1], Binary::new(f));
    let constant = |shape: &[usize], f, side| {
        let constant = (random(33, shape).abs().expect("numbers") + 0.5).expect("numbers");
        Binary::with_constant(f, constant, side)
    };
    check([
        maps(Add, "sum"),
        gate(Add, "sum of a map and a vector"),
        maps(Sub, "difference"),
        maps(Mul, "product"),
        gate(Mul, "squeeze and excitation"),
        Case::of_two("product of tokens", &[1, 5, 4], &[1, 1, 4], Binary::new(Mul)),
        Case::of_two("sum of windows", &[1, 2, 3, 4, 5], &[1, 2, 1, 4, 5], Binary::new(Add)),
        maps(Div, "quotient").prepared(apart).without(&[Lrp]),
        maps(Max, "maximum"),
        maps(Min, "minimum"),
        maps(Pow, "power").prepared(apart).without(&[Lrp, FullGrad]),
    ]);
    check([
        Case::of("a learned map", [3, 2, 4], constant(&[1, 3, 2, 4], Add, Side::Right)),
        Case::of("less a mean", [3, 2, 4], constant(&[3, 1, 1], Sub, Side::Right)),
        Case::of("from a constant", [3, 2, 4], constant(&[1], Sub, Side::Left)),
        Case::of("learned scales", [3, 2, 4], constant(&[1, 3, 1, 1], Mul, Side::Left)),
        Case::of("over a deviation", [3, 2, 4], constant(&[3, 1, 1], Div, Side::Right)),
        Case::reshaped("places of tokens", &[1, 5, 4], constant(&[1, 5, 4], Add, Side::Right)),
        Case::reshaped("a constant over the values", &[1, 5], constant(&[1], Div, Side::Left)).prepared(apart),
        Case::reshaped("a mask of windows", &[1, 2, 3, 4, 4], constant(&[2, 1, 4, 4], Add, Side::Right)),
        Case::reshaped("powers of other values", &[1, 3], constant(&[3], Pow, Side::Left))
            .without(&[DeepLift, Lrp, FullGrad]),
    ]);
}

#[test]
fn reductions_and_norms() {
    let vector = |seed| random(seed, &[4]);
    let (scale, shift) = (vector(34), vector(35));
    let both = (Some(&scale), Some(&shift));
    let norm = |norm: gradlens::Result<Normalisation, candle_core::Error>| norm.expect("a norm");
    let responses = kernels::LocalResponseNorm { size: 3, alpha: 0.2, beta: 0.75, bias: 1.0 };
    let reduce = |reduction, axes: &[usize], keep| Reduce::new(reduction, axes.to_vec(), keep);
    check([
        Case::of("mean over places", [3, 4, 5], reduce(Reduction::Mean, &[2, 3], false)),
        Case::of("sum over channels", [3, 4, 5], reduce(Reduction::Sum, &[1], true)),
        Case::of("maximum over places", [3, 4, 5], reduce(Reduction::Max, &[2, 3], true)),
        Case::of("minimum over lines", [3, 4, 5], reduce(Reduction::Min, &[2], true)),
        Case::of("norm over places", [3, 4, 5], reduce(Reduction::L2, &[2, 3], true)).without(&[DeepLift]),
        Case::reshaped("mean of tokens", &[1, 5, 4], reduce(Reduction::Mean, &[1], false)),
        Case::reshaped("largest of tokens", &[1, 5, 4], reduce(Reduction::Max, &[2], true)),
        Case::of("layer norm over channels", [4, 3, 5], norm(Normalisation::layer(true, both.0, both.1, 1e-3)))
            .without(&[DeepLift]),
        Case::reshaped("layer norm of tokens", &[1, 5, 4], norm(Normalisation::layer(false, both.0, both.1, 1e-3)))
            .without(&[DeepLift]),
        Case::of("group norm", [4, 3, 5], norm(Normalisation::group(2, both.0, both.1, 1e-3))).without(&[DeepLift]),
        Case::of("instance norm", [4, 3, 5], norm(Normalisation::instance(None, None, 1e-3))).without(&[DeepLift]),
        Case::of("local response norm", [5, 3, 4], LocalResponseNorm::new(responses)).without(&[DeepLift]),
        Case::of("unit length", [5, 3, 4], LpNorm::new(kernels::Norm::L2, 1, 1e-12)).without(&[DeepLift]),
        Case::reshaped("unit sum", &[1, 3, 5], LpNorm::new(kernels::Norm::L1, 2, 1e-12)).without(&[DeepLift]),
        Case::reshaped("RMS norm", &[1, 3, 4], RmsNorm::new(Some(vector(36)), 1e-3)).without(&[DeepLift]),
    ]);
}

#[test]
fn other_sizes() {
    let resize = |interpolation, coordinates, target| {
        Resize::new(kernels::Resize { interpolation, coordinates, target, exclude_outside: false, antialias: false })
    };
    let around = vec![[0, 0], [0, 0], [1, 2], [2, -1]];
    let pad = |mode| Pad::new(around.clone(), mode);
    check([
        Case::of("zeros around", [2, 4, 5], pad(PadMode::Constant(0.0))),
        Case::of("ones around", [2, 4, 5], pad(PadMode::Constant(1.0))).without(&[Lrp]),
        Case::of("mirrored", [2, 4, 5], pad(PadMode::Reflect)),
        Case::reshaped(
            "windows padded",
            &[1, 3, 2, 4],
            Pad::new(vec![[0, 0], [0, 1], [0, 2], [0, 0]], PadMode::Constant(0.0)),
        ),
        Case::of(
            "twice as large",
            [2, 4, 5],
            resize(
                kernels::Interpolation::Linear,
                kernels::Coordinates::HalfPixel,
                kernels::Target::Scale([2.0, 2.0]),
            ),
        ),
        Case::of(
            "of this size",
            [2, 4, 5],
            resize(
                kernels::Interpolation::Cubic { a: -0.75 },
                kernels::Coordinates::AlignCorners,
                kernels::Target::Size([7, 6]),
            ),
        ),
        Case::of("pixel shuffle", [8, 2, 3], DepthToSpace::new(2, BlockOrder::ChannelFirst)),
        Case::of("space to depth", [2, 4, 6], DepthToSpace::inverse(2, BlockOrder::PlaceFirst)),
    ]);
}

#[test]
fn attention() {
    check([
        Case::of_two("matrices", &[1, 3, 4], &[1, 4, 5], MatMul),
        Case::of_two("heads", &[1, 2, 3, 4], &[1, 2, 4, 5], MatMul),
        Case::of_two("one matrix for all", &[1, 2, 3, 4], &[4, 5], MatMul),
        Case::reshaped("softmax", &[1, 2, 3, 5], Softmax::new(3)).without(&[DeepLift]),
        Case::reshaped("softmax in the middle", &[1, 4, 5], Softmax::new(1)).without(&[DeepLift]),
        Case::reshaped("its logarithm", &[1, 7], Softmax::logarithm(1)).without(&[DeepLift, Lrp]),
    ]);
}

#[test]
fn constants_count_as_biases() {
    let token = || Constant::new(random(31, &[1, 1, 4]));
    check([
        Case::new("a learned token", [1, 3, 4], |graph, input| {
            let tokens = add(graph, Reshape::new(vec![1, 3, 4]), &[input]);
            let token = add(graph, token(), &[]);
            add(graph, Concat::new(1), &[token, tokens])
        }),
        Case::new("a learned sum", [1, 1, 4], |graph, input| {
            let tokens = add(graph, Reshape::new(vec![1, 1, 4]), &[input]);
            let token = add(graph, token(), &[]);
            add(graph, Sum, &[token, tokens])
        }),
    ]);
}

#[test]
fn a_method_names_the_operator_that_it_has_no_rule_for() {
    let case = Case::of("softmax", [4, 1, 1], Softmax::new(1));
    let (x, reference) = (case.picture(1), case.picture(2));
    let (at, other) = (case.graph.trace(&x).expect("a pass"), case.graph.trace(&reference).expect("a pass"));
    let seed = [(LayerName::LOGITS.into(), random(3, &[1, 4, 1, 1]))];
    let error = case.graph.deeplift(&at, &other, &seed).expect_err("there is no rule").to_string();
    assert!(error.starts_with("DeepLIFT has no rule for softmax in the layer \"logits\"; "), "{error}");
}
