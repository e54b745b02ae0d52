//! What several test programs share: the reference outputs and how to compare with them.
#![allow(dead_code, reason = "each test program uses a part")]

pub mod program;
pub mod pty;
pub mod screen;

use candle_core::{Device, Tensor};
use gradlens::graph::ops::{Concat, Convolution, GlobalAveragePooling, MaxPooling, Rectifier, Sum};
use gradlens::graph::{GraphBuilder, LayerName, NodeId, Operator};
use gradlens::imaging::{Picture, decode};
use gradlens::kernels::{Conv2d, ConvShape, MaxPool, Padding, WindowShape};
use gradlens::model::{
    BUILT_IN, ChannelOrder, Input, Labels, Model, Output, Provenance, Resize, Roles, Scores, UNTRAINED, two_logits,
};
use gradlens::optim::{noise, step_rng};
use gradlens::techniques::{self, Context, Job, ParamValue, Params, Progress, TECHNIQUES};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of reference outputs: tensors by name, and its metadata.
pub struct Golden {
    pub tensors: HashMap<String, Tensor>,
    pub meta: HashMap<String, String>,
}

impl Golden {
    pub fn open(name: &str) -> Self {
        let path = golden(&format!("{name}.safetensors"));
        let bytes = std::fs::read(&path).expect("the reference file");
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("its header");
        let meta = header.metadata().clone().unwrap_or_default();
        Self { tensors: candle_core::safetensors::load(&path, &Device::Cpu).expect("its tensors"), meta }
    }

    pub fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("no reference for {name}"))
    }

    pub fn values(&self, name: &str) -> Vec<f32> {
        values(self.get(name))
    }

    pub fn scalar(&self, name: &str) -> f32 {
        self.values(name)[0]
    }

    pub fn class(&self) -> usize {
        self.meta["class"].parse().expect("a class index")
    }

    pub fn layers(&self) -> Vec<String> {
        self.meta["layers"].split(',').map(str::to_owned).collect()
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn golden(file: &str) -> PathBuf {
    root().join("tests/golden").join(file)
}

pub fn model(id: &str) -> Model {
    let entry = BUILT_IN.iter().chain(UNTRAINED).find(|entry| entry.id == id).expect("a known model");
    entry.build(&entry.weights(), &Device::Cpu).expect("its own weights")
}

/// A picture's pixels `[1, 3, H, W]` in `[0, 1]`.
pub fn pixels(file: &str) -> Tensor {
    let picture = image::open(golden(file)).expect("a reference picture").to_rgb8();
    let (w, h) = picture.dimensions();
    let data: Vec<f32> = picture.into_raw().iter().map(|&v| f32::from(v) / 255.0).collect();
    Tensor::from_vec(data, (1, h as usize, w as usize, 3), &Device::Cpu)
        .and_then(|t| t.permute((0, 3, 1, 2)))
        .and_then(|t| t.contiguous())
        .expect("a tensor of pixels")
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("float32 values")
}

/// ‖a − b‖ / ‖b‖.
pub fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "the outputs differ in size");
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / norm(&mut b.iter().map(|b| f64::from(*b))).max(1e-30)
}

/// max |a − b|; NaN if there is one.
pub fn worst_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "the outputs differ in size");
    let worse = |worst, d: f32| if d > worst || d.is_nan() { d } else { worst };
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, worse)
}

/// Says on the terminal, past the harness's capture, that the present test could not be made here.
pub fn skipped(why: &str) {
    use std::io::Write;
    let thread = std::thread::current();
    let line = format!("test {} ... SKIPPED: {why}\n", thread.name().unwrap_or_default());
    std::io::stderr().write_all(line.as_bytes()).expect("said");
}

pub fn picture(file: &str) -> Picture {
    let path = golden(file);
    decode(&path, &std::fs::read(&path).expect("a file")).expect("a picture")
}

pub fn context(model: &Arc<Model>) -> Context {
    Context {
        model: model.clone(),
        picture: None,
        others: vec![],
        styles: vec![],
        mask: None,
        init: None,
        class: None,
        target: None,
        layer: None,
        seed: 0,
    }
}

pub fn params(id: &str, set: &[(&str, &str)]) -> Params {
    let technique = techniques::find(TECHNIQUES, id).expect("a technique");
    let given: BTreeMap<String, ParamValue> = set
        .iter()
        .map(|(name, text)| {
            let spec = techniques::spec(technique.params(), name).expect("a parameter");
            ((*name).to_owned(), spec.parse(text).expect("a value"))
        })
        .collect();
    Params::new(technique.params(), &given).expect("parameters")
}

pub fn start(id: &str, context: Context, set: &[(&str, &str)]) -> Box<dyn Job> {
    let technique = techniques::find(TECHNIQUES, id).expect("a technique");
    technique.start(context, params(id, set)).expect("a job")
}

pub fn run(job: &mut dyn Job) -> Vec<Progress> {
    let mut all = vec![];
    loop {
        let progress = job.step().expect("a step");
        let done = progress.done;
        all.push(progress);
        if done {
            return all;
        }
    }
}

/// A method's map, and its facts.
pub fn explained(id: &str, context: Context, set: &[(&str, &str)]) -> (Vec<f32>, Facts) {
    let mut job = start(id, context, set);
    run(job.as_mut());
    let heat = job.view().expect("a view").heat.expect("a map");
    (heat.values.to_vec(), job.facts())
}

pub type Facts = serde_json::Map<String, serde_json::Value>;

pub fn fact(facts: &Facts, name: &str) -> f64 {
    facts[name].as_f64().unwrap_or_else(|| panic!("{name} is no number in {facts:?}"))
}

/// A network in the making, of random weights that are the same every time.
pub struct Net {
    graph: GraphBuilder,
    drawn: usize,
}

impl Net {
    pub fn new(channels: usize, size: [usize; 2]) -> (Self, NodeId) {
        let graph = GraphBuilder::new(channels, size);
        let input = graph.input();
        (Self { graph, drawn: 0 }, input)
    }

    /// A convolution `[out, input, kernel, kernel]` with "same" padding.
    pub fn conv(&mut self, x: NodeId, [out, input, kernel]: [usize; 3], stride: usize) -> NodeId {
        self.drawn += 1;
        let rng = &mut step_rng(7, self.drawn);
        let scale = (2.0 / (input * kernel * kernel) as f64).sqrt();
        let weight = noise(rng, &[out, input, kernel, kernel], &Device::Cpu).expect("weights");
        let bias = (noise(rng, &[out], &Device::Cpu).expect("biases") * 0.3).expect("biases");
        self.with_weights(x, (weight * scale).expect("weights"), bias, stride)
    }

    pub fn with_weights(&mut self, x: NodeId, weight: Tensor, bias: Tensor, stride: usize) -> NodeId {
        let shape = ConvShape { stride: [stride; 2], padding: Padding::SameUpper, ..ConvShape::default() };
        self.add(Convolution::new(Conv2d::new(weight, Some(bias), shape).expect("a convolution")), &[x])
    }

    /// Any operator that fits.
    pub fn add(&mut self, op: impl Operator, inputs: &[NodeId]) -> NodeId {
        self.graph.add(op, inputs).expect("an operator that fits its inputs")
    }

    pub fn named(&mut self, x: NodeId, name: &str) -> NodeId {
        self.graph.name(x, name).expect("a new name");
        x
    }

    /// The mean over places and a linear layer from `features` to the scores.
    pub fn model(mut self, x: NodeId, features: usize, input: Input, scores: Scores, classes: usize) -> Arc<Model> {
        let pool = self.add(GlobalAveragePooling, &[x]);
        let count = if scores == Scores::Binary { 1 } else { classes };
        let logits = self.conv(pool, [count, features, 1], 1);
        self.finished(logits, input, scores, classes)
    }

    pub fn finished(mut self, logits: NodeId, input: Input, scores: Scores, classes: usize) -> Arc<Model> {
        if scores == Scores::Binary {
            two_logits(&mut self.graph, logits).expect("two logits");
        } else {
            self.named(logits, LayerName::LOGITS);
        }
        let output = Output { scores, labels: Labels::indices(classes) };
        let graph = self.graph.build(Device::Cpu).expect("a network");
        let (roles, origin) = (Roles::default(), Provenance::default());
        Arc::new(Model::new("test", graph, input, Some(output), roles, origin).expect("a model"))
    }
}

/// A classifier of three classes for pictures of `side` × `side` pixels, with every kind of layer: convolutions with
/// stride and without, ReLU and ReLU6, max-pooling, a residual sum, a concatenation, global pooling.
pub fn tiny(side: usize) -> Arc<Model> {
    small(rgb_input(side, 64.0), Scores::Softmax, 3)
}

/// The same for any input and any scores.
pub fn small(input: Input, scores: Scores, classes: usize) -> Arc<Model> {
    let channels = input.channel_count();
    let (mut net, x) = Net::new(channels, input.size);
    let first = net.conv(x, [6, channels, 3], 1);
    let first = net.add(Rectifier::RELU, &[first]);
    net.named(first, "first");
    let pooled = net.add(MaxPooling::new(MaxPool { window: WindowShape::square(2, 2) }), &[first]);
    let inner = net.conv(pooled, [6, 6, 3], 1);
    let inner = net.add(Rectifier::RELU6, &[inner]);
    let sum = net.add(Sum, &[inner, pooled]);
    net.named(sum, "sum");
    let wide = net.conv(sum, [4, 6, 1], 1);
    let both = net.add(Concat::CHANNELS, &[wide, sum]);
    let last = net.conv(both, [8, 10, 3], 1);
    let last = net.add(Rectifier::RELU6, &[last]);
    net.named(last, "last");
    net.model(last, 8, input, scores, classes)
}

/// A residual network (He et al. 2015) of two blocks a stage, in torchvision's names.
pub fn resnet(side: usize) -> Arc<Model> {
    let (mut net, x) = Net::new(3, [side, side]);
    let x = net.conv(x, [8, 3, 7], 2);
    let x = net.add(Rectifier::RELU, &[x]);
    net.named(x, "relu");
    let window = WindowShape { padding: Padding::uniform(1), ..WindowShape::square(3, 2) };
    let mut x = net.add(MaxPooling::new(MaxPool { window }), &[x]);
    let mut channels = 8;
    for (stage, width) in [8, 16, 32, 64].into_iter().enumerate() {
        for block in 0..2 {
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let y = net.conv(x, [width, channels, 3], stride);
            let y = net.add(Rectifier::RELU, &[y]);
            let y = net.conv(y, [width, width, 3], 1);
            let shortcut = if stride > 1 { net.conv(x, [width, channels, 1], stride) } else { x };
            let sum = net.add(Sum, &[y, shortcut]);
            let sum = net.add(Rectifier::RELU, &[sum]);
            x = net.named(sum, &format!("layer{}.{block}", stage + 1));
            channels = width;
        }
    }
    net.model(x, channels, rgb_input(side, 128.0), Scores::Softmax, 10)
}

/// An operator that fits.
pub fn add(graph: &mut GraphBuilder, op: impl Operator, inputs: &[NodeId]) -> NodeId {
    graph.add(op, inputs).expect("an operator that fits its inputs")
}

/// An input of `side` × `side` pixels in red, green and blue: (255·x − 127) / `std`.
pub fn rgb_input(side: usize, std: f32) -> Input {
    Input {
        channels: ChannelOrder::Rgb,
        size: [side, side],
        any_size: true,
        range: 255.0,
        mean: vec![127.0; 3],
        std: vec![std; 3],
        resize: Resize::default(),
    }
}

/// A picture of patches that are all of different colours.
pub fn patches(side: u32) -> Picture {
    let rgb = (0..side * side).flat_map(|p| {
        let (x, y) = (p % side * 3 / side, p / side * 3 / side);
        [40 + 90 * x, 30 + 100 * y, 220 - 60 * x - 40 * y].map(|v| v as u8)
    });
    Picture::new(side, side, rgb.collect())
}
