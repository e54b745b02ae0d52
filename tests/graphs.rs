//! Networks as graphs: what is refused, what is fused, what it costs, and two whole ones of formula weights against
//! PyTorch's outputs (2.15).

mod support;

use candle_core::{Device, Tensor};
use gradlens::Error;
use gradlens::graph::ops::{
    Affine, AveragePooling, Binary, Concat, Constant, Convolution, DepthToSpace, Elementwise, Gather,
    GlobalAveragePooling, Linear, MatMul, MaxPooling, Normalisation, Rectifier, Reduce, Reshape, Resize, Slice,
    Softmax, Sum, Transpose, TransposedConvolution,
};
use gradlens::graph::{Graph, GraphBuilder, LayerName, NodeId, Operator};
use gradlens::kernels::{
    self, AvgPool, BlockOrder, Conv2d, ConvShape, ConvTranspose2d, Function, KernelSet, MaxPool,
};
use gradlens::kernels::{Padding, Reduction, ReluRule, Side, WindowShape};
use gradlens::model::formula::uniform;
use gradlens::optim::{noise, step_rng};
use support::{add, golden, relative_error, values};

fn random(seed: u64, shape: &[usize]) -> Tensor {
    noise(&mut step_rng(seed, 0), shape, &Device::Cpu).expect("noise")
}

fn conv(shape: [usize; 4], stride: usize) -> Convolution {
    let bias = random(21, &shape[..1]);
    let geometry = ConvShape { stride: [stride; 2], padding: Padding::SameUpper, ..ConvShape::default() };
    Convolution::new(Conv2d::new(random(20, &shape), Some(bias), geometry).expect("a convolution"))
}

/// Tensor `k` of the networks in PyTorch: (2u − 1) · scale + shift.
fn tensor(k: usize, shape: &[usize], scale: f64, shift: f64) -> Tensor {
    let count = shape.iter().product();
    let value = |i| ((2.0 * uniform(i, k) - 1.0) * scale + shift) as f32;
    Tensor::from_vec((0..count).map(value).collect(), shape, &Device::Cpu).expect("a tensor")
}

/// A network that is put together line by line.
struct Line {
    graph: GraphBuilder,
    at: NodeId,
}

impl Line {
    fn new() -> Self {
        let graph = GraphBuilder::new(3, [8, 8]);
        let at = graph.input();
        Self { graph, at }
    }

    fn then(&mut self, op: impl Operator) -> NodeId {
        self.at = add(&mut self.graph, op, &[self.at]);
        self.at
    }

    fn with(&mut self, op: impl Operator, inputs: &[NodeId]) -> NodeId {
        self.at = add(&mut self.graph, op, inputs);
        self.at
    }

    fn linear(&mut self, k: usize, shape: [usize; 2], scale: f64) -> NodeId {
        let axis = self.graph.shape(self.at).expect("a shape").len() - 1;
        let bias = tensor(k + 1, &shape[..1], 0.2, 0.0);
        self.then(Linear::new(&tensor(k, &shape, scale, 0.0), Some(bias), axis).expect("a layer"))
    }

    fn norm(&mut self, k: usize) -> NodeId {
        let (scale, shift) = (tensor(k, &[16], 0.3, 1.0), tensor(k + 1, &[16], 0.2, 0.0));
        self.then(Normalisation::layer(false, Some(&scale), Some(&shift), 1e-6).expect("a norm"))
    }

    fn conv(&mut self, k: usize, shape: [usize; 4], scale: f64, bias: bool, geometry: ConvShape) -> NodeId {
        let bias = bias.then(|| tensor(k + 1, &shape[..1], 0.2, 0.0));
        let conv = Conv2d::new(tensor(k, &shape, scale, 0.0), bias, geometry).expect("a convolution");
        self.then(Convolution::new(conv))
    }

    fn finished(mut self) -> Graph {
        self.graph.name(self.at, LayerName::LOGITS).expect("a new name");
        self.graph.build(Device::Cpu).expect("a network")
    }
}

/// A vision transformer of one block and two heads, over four patches.
fn vision_transformer() -> Graph {
    let mut net = Line::new();
    net.conv(1, [16, 3, 4, 4], 0.2, true, ConvShape { stride: [4; 2], ..ConvShape::default() });
    net.then(Reshape::new(vec![1, 16, 4]));
    let patches = net.then(Transpose::new(vec![0, 2, 1]));
    let class = net.with(Constant::new(tensor(3, &[1, 1, 16], 0.5, 0.0)), &[]);
    net.with(Concat::new(1), &[class, patches]);
    let places = tensor(4, &[1, 5, 16], 0.5, 0.0);
    let x = net.then(Binary::with_constant(kernels::Binary::Add, places, Side::Right));
    net.norm(5);
    net.linear(7, [48, 16], 0.4);
    net.then(Reshape::new(vec![1, 5, 3, 2, 8]));
    let heads = net.then(Transpose::new(vec![2, 0, 3, 1, 4]));
    let [q, k, v] = [0, 1, 2].map(|part| net.with(Gather::new(0, &[part], vec![]).expect("a place"), &[heads]));
    let k = net.with(Transpose::new(vec![0, 1, 3, 2]), &[k]);
    net.with(MatMul, &[q, k]);
    let scale = Tensor::new(&[(1.0f64 / 8.0).sqrt() as f32], &Device::Cpu).expect("a number");
    net.then(Binary::with_constant(kernels::Binary::Mul, scale, Side::Right));
    let attention = net.then(Softmax::new(3));
    net.with(MatMul, &[attention, v]);
    net.then(Transpose::new(vec![0, 2, 1, 3]));
    net.then(Reshape::new(vec![1, 5, 16]));
    let y = net.linear(9, [16, 16], 0.4);
    let x = net.with(Sum, &[x, y]);
    net.norm(11);
    net.linear(13, [32, 16], 0.4);
    net.then(Elementwise::new(Function::Gelu));
    let y = net.linear(15, [16, 32], 0.3);
    net.with(Sum, &[x, y]);
    net.then(Gather::new(1, &[0], vec![]).expect("a place"));
    net.linear(17, [5, 16], 0.4);
    net.finished()
}

/// A mobile network's block with squeeze and excitation, and what else convolutional networks have.
fn mobile() -> Graph {
    let mut net = Line::new();
    let one = ConvShape::default();
    net.conv(21, [8, 3, 3, 3], 0.4, false, ConvShape { stride: [2; 2], padding: Padding::uniform(1), ..one });
    let [mean, deviation] = [
        tensor(24, &[8], 0.2, 0.0),
        tensor(25, &[8], 0.2, 1.0).affine(1.0, 1e-3).and_then(|v| v.sqrt()).expect("deviations"),
    ];
    let scale = (tensor(22, &[8], 0.3, 1.0) / deviation).expect("scales");
    let shift = (&mean * &scale).and_then(|shift| tensor(23, &[8], 0.2, 0.0) - shift).expect("shifts");
    net.then(Affine::new(Some(scale), Some(shift), 1).expect("a batch-norm"));
    let x = net.then(Elementwise::new(Function::HardSwish));
    net.then(GlobalAveragePooling);
    net.conv(26, [4, 8, 1, 1], 0.6, true, one);
    net.then(Rectifier::RELU);
    net.conv(28, [8, 4, 1, 1], 0.9, true, one);
    let gate = net.then(Elementwise::new(Function::HARD_SIGMOID));
    net.with(Binary::new(kernels::Binary::Mul), &[x, gate]);
    let depthwise = ConvShape { padding: Padding::uniform(2), dilation: [2; 2], groups: 8, ..one };
    net.conv(30, [8, 1, 3, 3], 0.5, false, depthwise);
    net.then(Elementwise::new(Function::SILU));
    let shuffled = net.then(Gather::new(1, &[0, 4, 1, 5, 2, 6, 3, 7], vec![8]).expect("places"));
    let window = WindowShape { padding: Padding::uniform(1), ..WindowShape::square(3, 1) };
    net.with(Slice::part(1, 0, 4), &[shuffled]);
    let mean = net.then(AveragePooling::new(AvgPool { window, count_include_pad: false }));
    net.with(Slice::part(1, 4, 4), &[shuffled]);
    let largest = net.then(MaxPooling::new(MaxPool { window }));
    net.with(Concat::CHANNELS, &[mean, largest]);
    net.then(Resize::new(kernels::Resize {
        interpolation: kernels::Interpolation::Linear,
        coordinates: kernels::Coordinates::HalfPixel,
        target: kernels::Target::Scale([2.0; 2]),
        exclude_outside: false,
        antialias: false,
    }));
    net.then(DepthToSpace::inverse(2, BlockOrder::ChannelFirst));
    let stride = ConvShape { stride: [2; 2], padding: Padding::uniform(1), ..one };
    let weight = tensor(31, &[32, 6, 3, 3], 0.2, 0.0);
    let transposed = ConvTranspose2d::new(&weight, Some(tensor(32, &[6], 0.2, 0.0)), stride, [1; 2]);
    net.then(TransposedConvolution::new(transposed.expect("a convolution")));
    let (scale, shift) = (tensor(33, &[6], 0.3, 1.0), tensor(34, &[6], 0.2, 0.0));
    net.then(Normalisation::group(3, Some(&scale), Some(&shift), 1e-5).expect("a norm"));
    net.then(Reduce::new(Reduction::Max, vec![2, 3], false));
    net.linear(35, [5, 6], 0.6);
    net.finished()
}

#[test]
fn whole_networks_agree_with_pytorch() {
    let text = std::fs::read_to_string(golden("networks.json")).expect("a file");
    let reference: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let numbers = |name: &str, what: &str| -> Vec<f32> {
        let list = reference[name][what].as_array().expect("a list");
        list.iter().map(|v| v.as_f64().expect("a number") as f32).collect()
    };
    let x = tensor(0, &[1, 3, 8, 8], 1.0, 0.0);
    let (logits, input): (LayerName, LayerName) = (LayerName::LOGITS.into(), LayerName::INPUT.into());
    for (name, graph) in [("vit", vision_transformer()), ("mobile", mobile())] {
        for set in [KernelSet::Fast, KernelSet::Candle] {
            let graph = graph.clone().with_kernels(set);
            let at = graph.forward(&x, std::slice::from_ref(&logits)).expect("a pass");
            let z = values(&at.logits().expect("logits"));
            assert!(relative_error(&z, &numbers(name, "logits")) < 1e-5, "{name} on {set:?}: {z:?}");
            let seed = [(logits.clone(), tensor(99, &[1, 5, 1, 1], 1.0, 0.0))];
            let found = graph.backward(&at, &seed, std::slice::from_ref(&input), ReluRule::Standard);
            let gradient = values(found.expect("gradients").input().expect("a gradient"));
            let error = relative_error(&gradient, &numbers(name, "gradient"));
            assert!(error < 1e-5, "{name} on {set:?}: {error}");
        }
    }
}

/// A network that cannot hold pictures apart takes them one by one.
#[test]
fn several_pictures_go_through_a_transformer() {
    let graph = vision_transformer();
    let x = random(8, &[3, 3, 8, 8]);
    let all = values(&graph.logits(&x).expect("logits"));
    let each = (0..3).flat_map(|n| values(&graph.logits(&x.narrow(0, n, 1).expect("a picture")).expect("logits")));
    assert_eq!(all, each.collect::<Vec<_>>());
}

#[test]
fn a_graph_that_does_not_fit_together_is_refused() {
    let mut graph = GraphBuilder::new(3, [8, 8]);
    let input = graph.input();
    let refused = |found: gradlens::Result<NodeId>, with: &str| match found {
        Err(error @ Error::BadGraph { .. }) => assert!(error.to_string().contains(with), "{error}"),
        other => panic!("{other:?} where \"{with}\" was due"),
    };
    refused(graph.add(Sum, &[input]), "it takes 2 inputs, not 1");
    refused(graph.add(conv([4, 5, 3, 3], 1), &[input]), "convolution");
    refused(graph.add(Slice::part(1, 2, 2), &[input]), "does not lie within 3 values");
    let mut larger = GraphBuilder::new(3, [8, 8]);
    let start = larger.input();
    let far = add(&mut larger, Rectifier::RELU, &[start]);
    let far = add(&mut larger, Rectifier::RELU, &[far]);
    refused(graph.add(Rectifier::RELU, &[far]), "comes after");
    let first = add(&mut graph, Rectifier::RELU, &[input]);
    let second = add(&mut graph, Rectifier::RELU, &[first]);
    graph.name(first, "first").expect("a new name");
    assert!(graph.name(second, "first").is_err() && graph.name(second, "input").is_err(), "names are used once");
    let heads = add(&mut graph, Transpose::new(vec![1, 0, 2, 3]), &[second]);
    assert!(graph.name(heads, "heads").is_err(), "a layer is of one picture after the other");
    assert_eq!(graph.shape(second).expect("a shape"), [1, 3, 8, 8]);
    assert!(GraphBuilder::new(3, [8, 8]).build(Device::Cpu).is_err(), "a network has an end");
}

/// A convolution, a sum and a rectifier, each with a name, as a residual block has them.
fn block(named: bool) -> Graph {
    let mut graph = GraphBuilder::new(4, [9, 7]);
    let input = graph.input();
    let first = add(&mut graph, conv([4, 4, 3, 3], 1), &[input]);
    let active = add(&mut graph, Rectifier::RELU6, &[first]);
    let second = add(&mut graph, conv([4, 4, 3, 3], 1), &[active]);
    let sum = add(&mut graph, Sum, &[second, input]);
    let last = add(&mut graph, Rectifier::RELU, &[sum]);
    if named {
        for (node, name) in [(first, "first"), (active, "active"), (second, "second"), (sum, "sum")] {
            graph.name(node, name).expect("a new name");
        }
    }
    graph.name(last, "last").expect("a new name");
    graph.build(Device::Cpu).expect("a network")
}

#[test]
fn what_is_tapped_changes_no_bit() {
    let x = random(5, &[1, 4, 9, 7]);
    let (names, last) = (["first", "active", "second", "sum", "last"].map(LayerName::from), LayerName::from("last"));
    let graph = block(true);
    let bare = block(false).forward(&x, std::slice::from_ref(&last)).expect("a pass");
    let fused = graph.forward(&x, std::slice::from_ref(&last)).expect("a pass");
    let tapped = graph.forward(&x, &names).expect("a pass");
    let y = values(&bare.get(&last).expect("a tap"));
    assert_eq!(values(&fused.get(&last).expect("a tap")), y);
    assert_eq!(values(&tapped.get(&last).expect("a tap")), y);
    let seed = [(last, random(6, &[1, 4, 9, 7]))];
    // Layers that nobody tapped have gradients, too.
    let [all, few] = [&tapped, &fused].map(|at| graph.backward(at, &seed, &names, ReluRule::Standard));
    let (all, few) = (all.expect("gradients"), few.expect("gradients"));
    for name in &names {
        assert_eq!(values(all.get(name).expect("a gradient")), values(few.get(name).expect("a gradient")), "{name}");
    }
    let input = [LayerName::INPUT.into()];
    let of_input = |graph: &Graph, at| {
        values(graph.backward(at, &seed, &input, ReluRule::Standard).expect("gradients").input().expect("a gradient"))
    };
    assert_eq!(of_input(&graph, &fused), of_input(&block(false), &bare));
}

#[test]
fn a_layer_in_the_middle_can_be_replaced() {
    let x = random(5, &[2, 4, 9, 7]);
    let (graph, last) = (block(true), LayerName::from("last"));
    let whole = graph.infer(&x, &[last.clone(), "second".into()]).expect("a pass");
    let second = whole.get(&"second".into()).expect("a tap");
    let replaced = graph.infer_from(&x, &"second".into(), &second, std::slice::from_ref(&last)).expect("a pass");
    assert_eq!(values(&replaced.get(&last).expect("a tap")), values(&whole.get(&last).expect("a tap")));
}

#[test]
fn what_a_network_costs_is_counted() {
    let graph = block(true);
    assert_eq!(graph.macs(9, 7).expect("a size"), 2 * 9 * 7 * 4 * 4 * 9);
    assert_eq!(graph.parameters(), 2 * (4 * 4 * 9 + 4));
    let tokens = vision_transformer();
    let linear = 5 * (48 * 16 + 16 * 16 + 2 * 32 * 16) + 5 * 16;
    assert_eq!(tokens.macs(8, 8).expect("a size"), 4 * 16 * 3 * 16 + linear + 2 * 2 * 5 * 5 * 8);
}
