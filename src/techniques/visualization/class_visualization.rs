//! Class visualization: a picture that the network takes for a class, grown from noise.

use super::super::classifier::{input_size, logits_and_gradient, require_classes};
use super::super::{
    Context, Group, Job, Need, Needs, ParamKind, ParamSpec, Params, Progress, Technique, View, class_fact,
    picture_from_pixels, pixels_from_picture,
};
use crate::error::{Error, Result};
use crate::imaging::resize;
use crate::nets::Network;
use crate::optim::{gaussian_blur, jitter, noise, step_rng, unit};
use candle_core::{DType, Tensor};
use rand::Rng;
use std::sync::Arc;

/// Ascent on z_c − λ‖x‖² in the network's input space, with the picture shifted at random before each gradient,
/// clamped to valid pixels after each update and blurred every few updates.
///
/// Preset `cs231n` follows the network visualization assignment of Stanford's CS231n; its blur comes after
/// updates 10, 20, …, where the assignment also blurs right after the first.
pub struct ClassVisualization;

const PARAMS: &[ParamSpec] = &[
    ParamSpec {
        name: "preset",
        kind: ParamKind::Choice { options: &["cs231n"], default: "cs231n" },
        unit: "",
        help: "which recipe: cs231n ascends on pixels, with jitter and blur",
        live: false,
    },
    ParamSpec {
        name: "steps",
        kind: ParamKind::Int { min: 1, max: 100_000, default: 100 },
        unit: "steps",
        help: "updates of the picture",
        live: true,
    },
    ParamSpec {
        name: "step_size",
        kind: ParamKind::Float { min: 0.0, max: 1000.0, default: 25.0 },
        unit: "",
        help: "length of each update in the network's input space",
        live: true,
    },
    ParamSpec {
        name: "l2",
        kind: ParamKind::Float { min: 0.0, max: 10.0, default: 1e-3 },
        unit: "",
        help: "λ, the weight of the penalty on the picture's squared length",
        live: true,
    },
    ParamSpec {
        name: "jitter",
        kind: ParamKind::Int { min: 0, max: 112, default: 16 },
        unit: "px",
        help: "largest random shift before each gradient",
        live: true,
    },
    ParamSpec {
        name: "blur_every",
        kind: ParamKind::Int { min: 0, max: 10_000, default: 10 },
        unit: "steps",
        help: "updates between two blurs; 0 never blurs",
        live: true,
    },
    ParamSpec {
        name: "blur_sigma",
        kind: ParamKind::Float { min: 0.0, max: 10.0, default: 0.5 },
        unit: "px",
        help: "standard deviation of the blur",
        live: true,
    },
    ParamSpec {
        name: "init",
        kind: ParamKind::Choice { options: &["noise", "zero"], default: "noise" },
        unit: "",
        help: "what to start from, unless --init gives a picture: Gaussian noise, or x = 0",
        live: false,
    },
];

impl Technique for ClassVisualization {
    fn id(&self) -> &'static str {
        "class-visualization"
    }
    fn group(&self) -> Group {
        Group::Visualization
    }
    fn about(&self) -> &'static str {
        "what a class looks like to the network: a picture grown by gradient ascent on its score"
    }
    fn definition(&self) -> &'static str {
        "preset `cs231n`: ascent on z_c − λ‖x‖², x ← clamp(x + s·g/‖g‖₂), the picture shifted at random before each gradient and blurred every few updates"
    }
    fn reference(&self) -> &'static str {
        "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034; Yosinski et al. 2015, arXiv:1506.06579"
    }
    fn needs(&self) -> Needs {
        Needs { class: Need::Required, init: Need::Optional, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let what = "a class: give --class with a label or an index";
        let class = context.class.ok_or(Error::Missing { technique: self.id(), what })?;
        let network = context.network;
        require_classes(&network)?;
        let size = input_size(&network);
        let shape = [1, 3, size, size];
        let x = match (&context.init, params.choice("init")) {
            (Some(picture), _) => {
                let picture = resize(picture, size as u32, size as u32);
                network.preprocess().input_from_pixels(&pixels_from_picture(&picture, network.device())?)?
            }
            (None, "zero") => Tensor::zeros(&shape, DType::F32, network.device())?,
            // Stream 0 of the seed is the start, streams from 1 on are the steps.
            (None, _) => noise(&mut step_rng(context.seed, 0), &shape, network.device())?,
        };
        Ok(Box::new(Ascent { network, params, class, seed: context.seed, x, gradient: None, step: 0 }))
    }
}

struct Ascent {
    network: Arc<Network>,
    params: Params,
    class: usize,
    seed: u64,
    /// The picture in input space, `[1, 3, H, W]`.
    x: Tensor,
    /// The gradient at `x` as it is now.
    gradient: Option<Tensor>,
    step: usize,
}

impl Ascent {
    fn update(&mut self, gradient: &Tensor) -> Result<()> {
        let moved = (&self.x + (unit(gradient)? * self.params.float("step_size"))?)?;
        self.x = self.network.preprocess().clamp_input(&moved)?;
        self.step += 1;
        let (every, sigma) = (self.params.count("blur_every"), self.params.float("blur_sigma"));
        if every > 0 && self.step.is_multiple_of(every) && sigma > 0.0 {
            self.x = gaussian_blur(&self.x, sigma)?;
        }
        Ok(())
    }

    /// Logits of the shifted picture and the gradient of z_c − λ‖x‖² at the unshifted one.
    fn look(&self) -> Result<(Vec<f32>, Tensor)> {
        let reach = self.params.count("jitter") as i32;
        let mut rng = step_rng(self.seed, self.step + 1);
        let (dy, dx) = (rng.random_range(-reach..=reach), rng.random_range(-reach..=reach));
        let shifted = jitter(&self.x, dy, dx)?;
        let (logits, gradient) = logits_and_gradient(&self.network, &shifted, self.class)?;
        let gradient = jitter(&gradient, -dy, -dx)?;
        let penalty = (&self.x * (2.0 * self.params.float("l2")))?;
        Ok((logits, (gradient - penalty)?))
    }
}

impl Job for Ascent {
    fn step(&mut self) -> Result<Progress> {
        if let Some(gradient) = self.gradient.take() {
            self.update(&gradient)?;
        }
        let (logits, gradient) = self.look()?;
        self.gradient = Some(gradient);
        let penalty = self.params.float("l2") * f64::from(self.x.sqr()?.sum_all()?.to_scalar::<f32>()?);
        let score = f64::from(logits[self.class]);
        let total = self.params.count("steps");
        Ok(Progress {
            step: self.step,
            total,
            figures: vec![("score", score), ("penalty", penalty), ("objective", score - penalty)],
            logits: Some(logits),
            done: self.step >= total,
        })
    }

    fn set(&mut self, params: &Params) {
        self.params = params.clone();
    }

    fn view(&self) -> Result<View> {
        let pixels = self.network.preprocess().pixels_from_input(&self.x)?;
        Ok(View { result: Some(picture_from_pixels(&pixels)?), ..View::default() })
    }

    fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::from_iter([("class".to_owned(), class_fact(self.class))])
    }
}
