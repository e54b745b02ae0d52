//! Fooling images: a photo changed, hardly visibly, until the network takes it for another class.

use super::super::classifier::{classify, logits_and_gradient, require_classes, seen_by, top_class};
use super::super::{
    Context, Group, Job, Need, Needs, ParamKind, ParamSpec, Params, Progress, Technique, View, class_fact,
    picture_from_pixels,
};
use crate::error::{Error, Result};
use crate::imaging::Picture;
use crate::nets::Network;
use crate::optim::unit;
use candle_core::{Device, Tensor};
use candle_nn::ops::softmax;
use serde_json::json;
use std::sync::Arc;

/// x ← x + s·g/‖g‖₂ with g = ∂z_t/∂x, unclamped, until the network's top class is the target (`iterations`), and
/// on until the clamped 8-bit picture is taken for the target too (`steps`). From Stanford's CS231n assignments.
pub struct Fooling;

const PARAMS: &[ParamSpec] = &[
    ParamSpec {
        name: "steps",
        kind: ParamKind::Int { min: 1, max: 100_000, default: 100 },
        unit: "steps",
        help: "give up after so many updates",
        live: true,
    },
    ParamSpec {
        name: "step_size",
        kind: ParamKind::Float { min: 0.0, max: 1000.0, default: 1.0 },
        unit: "",
        help: "s, the length of each update in the network's input space",
        live: true,
    },
];

impl Technique for Fooling {
    fn id(&self) -> &'static str {
        "fooling"
    }
    fn group(&self) -> Group {
        Group::Adversarial
    }
    fn about(&self) -> &'static str {
        "a photo changed, hardly visibly, until the network takes it for another class"
    }
    fn definition(&self) -> &'static str {
        "x ← x + s·g/‖g‖₂ with g = ∂z_t/∂x, unclamped, until the top class is the target t (`iterations`), then on until the clamped 8-bit picture is taken for t too (`steps`)"
    }
    fn reference(&self) -> &'static str {
        "Szegedy et al. 2014, arXiv:1312.6199; normalised ascent as in Stanford's CS231n"
    }
    fn needs(&self) -> Needs {
        Needs { picture: Need::Required, target: Need::Required, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let missing = |what| Error::Missing { technique: self.id(), what };
        let target = context.target.ok_or(missing("a class to be mistaken for: give --target"))?;
        let picture = context.picture.ok_or(missing("a picture: give an image file"))?;
        let network = context.network;
        require_classes(&network)?;
        let (picture, x) = seen_by(&network, &picture)?;
        Ok(Box::new(FoolingJob {
            network,
            params,
            target,
            picture,
            x,
            gradient: None,
            step: 0,
            source: None,
            iterations: None,
            success: false,
        }))
    }
}

struct FoolingJob {
    network: Arc<Network>,
    params: Params,
    target: usize,
    /// The photo as the network sees it.
    picture: Picture,
    /// The changed photo in input space, `[1, 3, H, W]`, unclamped.
    x: Tensor,
    gradient: Option<Tensor>,
    step: usize,
    /// What the network took the photo for.
    source: Option<usize>,
    /// Updates after which the unclamped picture was taken for the target.
    iterations: Option<usize>,
    /// Whether the 8-bit picture is taken for the target.
    success: bool,
}

impl FoolingJob {
    fn saved_picture(&self) -> Result<Picture> {
        picture_from_pixels(&self.network.preprocess().pixels_from_input(&self.x)?)
    }

    fn saved_picture_fools(&self) -> Result<bool> {
        Ok(top_class(&classify(&self.network, &self.saved_picture()?)?) == self.target)
    }
}

impl Job for FoolingJob {
    fn step(&mut self) -> Result<Progress> {
        if let Some(gradient) = self.gradient.take() {
            self.x = (&self.x + (unit(&gradient)? * self.params.float("step_size"))?)?;
            self.step += 1;
        }
        let (logits, gradient) = logits_and_gradient(&self.network, &self.x, self.target)?;
        self.gradient = Some(gradient);
        let top = top_class(&logits);
        let source = *self.source.get_or_insert(top);
        if top == self.target {
            self.iterations.get_or_insert(self.step);
            self.success = self.saved_picture_fools()?;
        }
        let probabilities = softmax(&Tensor::new(&logits[..], &Device::Cpu)?, 0)?.to_vec1::<f32>()?;
        let total = self.params.count("steps");
        Ok(Progress {
            step: self.step,
            total,
            figures: vec![
                ("p_target", f64::from(probabilities[self.target])),
                ("p_source", f64::from(probabilities[source])),
                ("score", f64::from(logits[self.target])),
            ],
            logits: Some(logits),
            done: self.success || self.step >= total,
        })
    }

    fn set(&mut self, params: &Params) {
        self.params = params.clone();
    }

    fn view(&self) -> Result<View> {
        let (input, result) = (Some(self.picture.clone()), Some(self.saved_picture()?));
        Ok(View { input, result, ..View::default() })
    }

    fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut facts = serde_json::Map::new();
        facts.insert("target".into(), class_fact(self.target));
        facts.insert("source".into(), self.source.map(class_fact).into());
        facts.insert("iterations".into(), self.iterations.into());
        facts.insert("success".into(), self.success.into());
        if let Ok(saved) = self.saved_picture() {
            let differences = || saved.rgb.iter().zip(&*self.picture.rgb).map(|(&a, &b)| a.abs_diff(b));
            let linf = f64::from(differences().max().unwrap_or(0)) / 255.0;
            let l2 = differences().map(|d| (f64::from(d) / 255.0).powi(2)).sum::<f64>().sqrt();
            let l0 = differences().filter(|d| *d > 0).count();
            facts.insert("norms".into(), json!({ "linf": linf, "l2": l2, "l0": l0 }));
        }
        facts
    }
}
