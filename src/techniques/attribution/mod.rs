//! What a network looks at.
//!
//! A method is its formula: it gets a [`Subject`] and returns an [`Attribution`]. Everything the methods share
//! (the picture's crop, the class, the job around a single computation) stands here.

mod gradcam;
mod saliency;

pub use gradcam::GradCam;
pub use saliency::Saliency;

use super::classifier::{require_classes, seen_by, top_class};
use super::{Context, Job, Need, Needs, Params, Progress, View, class_fact};
use crate::error::{Error, Result};
use crate::imaging::{Array, HeatMap, Picture};
use crate::kernels::ReluRule;
use crate::nets::{Activations, Gradients, LayerName, Network, class_seed};
use candle_core::Tensor;
use std::sync::Arc;

/// What every attribution method needs: a photo; the class is its top one unless given.
const NEEDS: Needs = Needs { picture: Need::Required, class: Need::Optional, ..Needs::NOTHING };

/// One photo in front of one classifier.
struct Subject {
    network: Arc<Network>,
    /// The photo as the network sees it.
    picture: Picture,
    /// The network's input `[1, 3, H, W]`.
    input: Tensor,
    /// The class asked for, if any.
    class: Option<usize>,
    /// The layer asked for, or the network's last with spatial extent.
    layer: LayerName,
}

/// A forward pass over the subject.
struct Pass {
    activations: Activations,
    logits: Vec<f32>,
    /// The class that is explained: the one asked for, or the top one.
    class: usize,
}

/// What a method found.
struct Attribution {
    heat: HeatMap,
    channels: Option<Array>,
    logits: Vec<f32>,
    class: usize,
}

impl Subject {
    fn new(technique: &'static str, context: Context) -> Result<Self> {
        let what = "a picture: give an image file";
        let picture = context.picture.ok_or(Error::Missing { technique, what })?;
        let network = context.network;
        require_classes(&network)?;
        let layer = match context.layer {
            Some(layer) => network.layer(layer.as_str())?,
            None => network.default_layer().clone(),
        };
        let (picture, input) = seen_by(&network, &picture)?;
        Ok(Self { network, picture, input, class: context.class, layer })
    }

    /// The forward pass, with `taps` beside the logits.
    fn forward(&self, taps: &[&LayerName]) -> Result<Pass> {
        let mut all = vec![LayerName::LOGITS.into()];
        all.extend(taps.iter().copied().cloned());
        let activations = self.network.forward(&self.input, &all)?;
        let logits = activations.logits()?.flatten_all()?.to_vec1::<f32>()?;
        let class = match self.class {
            Some(class) => class,
            None => top_class(&logits),
        };
        Ok(Pass { activations, logits, class })
    }

    /// ∂z_c at the layers `wrt`.
    fn backward(&self, pass: &Pass, wrt: &[LayerName], rule: ReluRule) -> Result<Gradients> {
        let seed = class_seed(1, pass.logits.len(), pass.class, self.network.device())?;
        self.network.backward(&pass.activations, &[(LayerName::LOGITS.into(), seed)], wrt, rule)
    }
}

impl Pass {
    fn explained(self, heat: HeatMap, channels: Option<Array>) -> Attribution {
        Attribution { heat, channels, logits: self.logits, class: self.class }
    }
}

/// A method that is done in one computation.
struct OneShot {
    subject: Subject,
    method: fn(&Subject) -> Result<Attribution>,
    uses_layer: bool,
    found: Option<Attribution>,
}

impl OneShot {
    fn boxed(subject: Subject, uses_layer: bool, method: fn(&Subject) -> Result<Attribution>) -> Box<dyn Job> {
        Box::new(Self { subject, method, uses_layer, found: None })
    }
}

impl Job for OneShot {
    fn step(&mut self) -> Result<Progress> {
        let found = (self.method)(&self.subject)?;
        let logits = Some(found.logits.clone());
        self.found = Some(found);
        Ok(Progress { step: 1, total: 1, figures: vec![], logits, done: true })
    }

    fn set(&mut self, _params: &Params) {}

    fn view(&self) -> Result<View> {
        let input = Some(self.subject.picture.clone());
        Ok(match &self.found {
            Some(found) => {
                View { input, result: None, heat: Some(found.heat.clone()), attribution: found.channels.clone() }
            }
            None => View { input, ..View::default() },
        })
    }

    fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut facts = serde_json::Map::new();
        if let Some(found) = &self.found {
            let (low, high) = found.heat.range();
            facts.insert("class".into(), class_fact(found.class));
            facts.insert("logit".into(), found.logits[found.class].into());
            facts.insert("map_min".into(), low.into());
            facts.insert("map_max".into(), high.into());
        }
        if self.uses_layer {
            facts.insert("layer".into(), self.subject.layer.as_str().into());
        }
        facts
    }
}
