//! Timings of what the program does all day, to compare machines, versions and other programs.

use crate::error::{Error, Result, did_you_mean};
use crate::graph::{LayerName, LayerTiming, class_seed};
use crate::imaging::{Picture, resize};
use crate::kernels::ReluRule;
use crate::model::{self, BUILT_IN, Model, Output, UNTRAINED};
use crate::picture::{Protocol, moving_picture};
use crate::techniques::{self, Context, Params, TECHNIQUES};
use candle_core::{Device, Tensor};
use ratatui::layout::Size;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a benchmark took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Of the runs after the warm-up.
    pub median_ms: f64,
    /// The quickest.
    pub min_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// Runs.
    pub n: usize,
}

/// Something to time: `prepare` is not timed, what it gives is run again and again.
#[derive(Debug, Clone, Copy)]
pub struct Benchmark {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is timed, in a line.
    pub about: &'static str,
    prepare: fn(&Device) -> Result<Timed>,
}

type Timed = Box<dyn FnMut() -> Result<()>>;

/// Every benchmark.
pub static BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "gradient-224",
        about: "EfficientNet-Lite0, forward and gradient of the input",
        prepare: |device| gradient(Arc::new(built("tf_efficientnet_lite0", device)?), None),
    },
    Benchmark { name: "gradcam-224", about: "Grad-CAM on EfficientNet-Lite0, first to last", prepare: gradcam },
    Benchmark {
        name: "style-step-256",
        about: "style transfer at 256²: losses, gradient, update",
        prepare: |device| style_step(device, 256),
    },
    Benchmark {
        name: "style-step-512",
        about: "style transfer at 512²: losses, gradient, update",
        prepare: |device| style_step(device, 512),
    },
    Benchmark {
        name: "vgg-gradient-256",
        about: "VGG16 to relu4_3, mean of squares, forward and gradient of the input",
        prepare: |device| gradient(Arc::new(built("vgg16_hed", device)?), Some(256)),
    },
    Benchmark {
        name: "vgg-gradient-512",
        about: "the same at 512²",
        prepare: |device| gradient(Arc::new(built("vgg16_hed", device)?), Some(512)),
    },
    Benchmark {
        name: "squeezenet-gradient-224",
        about: "SqueezeNet 1.1 with formula weights, forward and gradient of the input",
        prepare: |device| gradient(Arc::new(built("squeezenet1_1", device)?), None),
    },
    Benchmark { name: "load", about: "from the weights in the binary to the first logits", prepare: load },
    Benchmark {
        name: "encode-kitty",
        about: "a moving 256×256 picture for a kitty terminal",
        prepare: |_| Ok(encode(Protocol::Kitty)),
    },
    Benchmark {
        name: "encode-sixel",
        about: "a moving 256×256 picture for a sixel terminal",
        prepare: |_| Ok(encode(Protocol::Sixel)),
    },
    Benchmark {
        name: "encode-halfblocks",
        about: "a moving 256×256 picture as half-blocks",
        prepare: |_| Ok(encode(Protocol::Halfblocks)),
    },
];

/// The benchmark called `name`.
///
/// # Errors
/// [`Error::Unknown`] with the closest names.
pub fn find(name: &str) -> Result<&'static Benchmark> {
    BENCHMARKS.iter().find(|b| b.name == name).ok_or_else(|| {
        let hint = did_you_mean(name, BENCHMARKS.iter().map(|b| b.name));
        Error::unknown("benchmark", name, format!("{hint} `gradlens bench --list` lists them").trim_start())
    })
}

impl Benchmark {
    /// Runs it: warm-up runs, then at least `runs` that are timed, and more while they have not taken `at_least`.
    ///
    /// # Errors
    /// If what it times fails.
    pub fn run(&self, device: &Device, runs: usize, at_least: Duration) -> Result<Timing> {
        /// Runs before the first that counts: weights are packed, buffers and caches fill.
        const WARM_UP: usize = 3;
        /// Quick benchmarks end here.
        const MOST: usize = 1000;
        let mut run = (self.prepare)(device)?;
        for _ in 0..WARM_UP {
            run()?;
        }
        let started = Instant::now();
        let mut times = vec![];
        while times.len() < runs.max(1) || (started.elapsed() < at_least && times.len() < MOST) {
            let start = Instant::now();
            run()?;
            device.synchronize()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let n = times.len();
        let median_ms = f64::midpoint(times[(n - 1) / 2], times[n / 2]);
        Ok(Timing { median_ms, min_ms: times[0], max_ms: times[n - 1], n })
    }
}

/// The layers of a model, one without weights of its own included (with a formula's), each timed on its own at `size`², or at its
/// own size.
///
/// # Errors
/// If there is no such model, or the picture is too small for it.
pub fn layers(id: &str, size: Option<usize>, runs: usize, device: &Device) -> Result<Vec<LayerTiming>> {
    let model = built(id, device)?;
    let [height, width] = size.map_or(model.input().size, |size| [size, size]);
    let picture = resize(&test_picture(height.max(width) as u32, 1.0), width as u32, height as u32);
    let pixels = model.input().pixels_from_picture(&picture, device)?;
    model.graph.time_layers(&model.input().input_from_pixels(&pixels)?, runs)
}

fn built(id: &str, device: &Device) -> Result<Model> {
    let entry = UNTRAINED.iter().find(|entry| entry.id == id).map_or_else(|| model::find(BUILT_IN, id), Ok)?;
    entry.build(&entry.weights(), device)
}

/// The gradient of one logit, or of the mean of squares of the last layer where there are none, at the input.
/// `size` unless the model's own is meant.
fn gradient(model: Arc<Model>, size: Option<usize>) -> Result<Timed> {
    let size = size.unwrap_or(model.input().size[0]);
    let pixels = model.input().pixels_from_picture(&test_picture(size as u32, 1.0), model.device())?;
    let x = model.input().input_from_pixels(&pixels)?;
    let classes = model.info.output.as_ref().map(Output::count);
    let last: LayerName = if classes.is_some() { LayerName::LOGITS.into() } else { model.layer_or_usual(None)? };
    let taps = [last.clone()];
    let input = [LayerName::INPUT.into()];
    let seed = classes.map(|classes| class_seed(1, classes, 1, model.device())).transpose()?;
    Ok(Box::new(move || {
        let at = model.graph.forward(&x, &taps)?;
        let seed = match &seed {
            Some(seed) => seed.clone(),
            None => {
                let y = at.get(&last)?;
                (&y * (2.0 / y.elem_count() as f64))?
            }
        };
        model.graph.backward(&at, &[(last.clone(), seed)], &input, ReluRule::Standard)?;
        Ok(())
    }))
}

fn gradcam(device: &Device) -> Result<Timed> {
    let model = Arc::new(built("tf_efficientnet_lite0", device)?);
    let technique = techniques::find(TECHNIQUES, "gradcam")?;
    let context = context(&model, model.input().size[0], Some(207));
    Ok(Box::new(move || {
        let mut job = technique.start(context.clone(), Params::new(technique.params(), &BTreeMap::new())?)?;
        while !job.step()?.done {}
        job.view()?;
        Ok(())
    }))
}

fn style_step(device: &Device, size: usize) -> Result<Timed> {
    let model = Arc::new(built("vgg16_hed", device)?);
    let technique = techniques::find(TECHNIQUES, "style-transfer")?;
    let set = [("size", size.to_string()), ("scales", "1".into()), ("steps", "100000".into())];
    let given = set
        .into_iter()
        .map(|(name, value)| Ok((name.to_owned(), techniques::spec(technique.params(), name)?.parse(&value)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    let context = Context { styles: vec![test_picture(size as u32, 0.3)], ..context(&model, size, None) };
    let mut job = technique.start(context, Params::new(technique.params(), &given)?)?;
    Ok(Box::new(move || job.step().map(|_| ())))
}

fn load(device: &Device) -> Result<Timed> {
    let device = device.clone();
    let input = built("tf_efficientnet_lite0", &device)?.input().clone();
    let [height, width] = input.size;
    let x = Tensor::zeros((1, input.channel_count(), height, width), candle_core::DType::F32, &device)?;
    Ok(Box::new(move || {
        built("tf_efficientnet_lite0", &device)?.graph.logits(&x)?;
        Ok(())
    }))
}

fn encode(protocol: Protocol) -> Timed {
    // Waves that roll on by a little, as a picture that is being optimised changes.
    let pictures = (0..4).map(|n| test_picture(256, 1.0 + 0.01 * f64::from(n))).collect();
    let mut encode = moving_picture(protocol, pictures, Size::new(40, 20));
    Box::new(move || {
        encode();
        Ok(())
    })
}

fn context(model: &Arc<Model>, size: usize, class: Option<usize>) -> Context {
    Context {
        model: model.clone(),
        picture: Some(test_picture(size as u32, 1.0)),
        others: vec![],
        styles: vec![],
        mask: None,
        init: None,
        class,
        target: None,
        layer: None,
        seed: 0,
    }
}

/// A picture of waves in all colours; their lengths grow with `scale`.
fn test_picture(side: u32, scale: f64) -> Picture {
    let wave =
        |v: u32, length: f64| (127.5 + 127.0 * (f64::from(v) * std::f64::consts::TAU / (scale * length)).sin()) as u8;
    let rgb = (0..side * side).flat_map(|p| {
        let (x, y) = (p % side, p / side);
        [wave(x, 37.0), wave(y, 23.0), wave(x + y, 61.0)]
    });
    Picture::new(side, side, rgb.collect())
}
