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
    BUILT_IN, ChannelOrder, Input, Labels, Model, Output, Provenance, Resize, Roles, Scores, UNTRAINED,
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

/// A classifier of three classes for pictures of `side` × `side` pixels, with every kind of layer: convolutions with
/// stride and without, ReLU and ReLU6, max-pooling, a residual sum, a concatenation, global pooling.
pub fn tiny(side: usize) -> Arc<Model> {
    let mut graph = GraphBuilder::new(3, [side, side]);
    let mut stream = 0;
    let mut conv = |out: usize, input: usize, kernel: usize, stride: usize| {
        stream += 1;
        let rng = &mut step_rng(7, stream);
        let scale = (2.0 / (input * kernel * kernel) as f64).sqrt();
        let shape = [out, input, kernel, kernel];
        let weight = (noise(rng, &shape, &Device::Cpu).expect("weights") * scale).expect("weights");
        let bias = (noise(rng, &[out], &Device::Cpu).expect("biases") * 0.3).expect("biases");
        let shape = ConvShape { stride: [stride; 2], padding: Padding::SameUpper, ..ConvShape::default() };
        Convolution::new(Conv2d::new(weight, Some(bias), shape).expect("a convolution"))
    };
    let input = graph.input();
    let first = add(&mut graph, conv(6, 3, 3, 1), &[input]);
    let first = add(&mut graph, Rectifier::RELU, &[first]);
    graph.name(first, "first").expect("a new name");
    let pool = MaxPooling::new(MaxPool { window: WindowShape::square(2, 2) });
    let pooled = add(&mut graph, pool, &[first]);
    let inner = add(&mut graph, conv(6, 6, 3, 1), &[pooled]);
    let inner = add(&mut graph, Rectifier::RELU6, &[inner]);
    let sum = add(&mut graph, Sum, &[inner, pooled]);
    graph.name(sum, "sum").expect("a new name");
    let wide = add(&mut graph, conv(4, 6, 1, 1), &[sum]);
    let both = add(&mut graph, Concat::CHANNELS, &[wide, sum]);
    let last = add(&mut graph, conv(8, 10, 3, 1), &[both]);
    let last = add(&mut graph, Rectifier::RELU6, &[last]);
    graph.name(last, "last").expect("a new name");
    let pool = add(&mut graph, GlobalAveragePooling, &[last]);
    let logits = add(&mut graph, conv(3, 8, 1, 1), &[pool]);
    graph.name(logits, LayerName::LOGITS).expect("a new name");
    let graph = graph.build(Device::Cpu).expect("a network");
    let output = Output { scores: Scores::Softmax, labels: Labels::indices(3) };
    let input = rgb_input(side, 64.0);
    Arc::new(
        Model::new("tiny", graph, input, Some(output), Roles::default(), Provenance::default()).expect("a model"),
    )
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
