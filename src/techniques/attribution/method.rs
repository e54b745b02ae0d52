//! What a method is: its name, its parameters and its formula.

use super::attention::Attention;
use super::cam::Planes;
use super::subject::Subject;
use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::imaging::{Array, HeatMap};
use crate::model::Model;
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::Tensor;
use serde_json::{Map, Value};

/// An attribution method. Everything but its formula is shared.
pub struct Method {
    /// Its id.
    pub(super) id: &'static str,
    /// What it shows, in a line.
    pub(super) about: &'static str,
    /// The formula, for the documentation.
    pub(super) definition: &'static str,
    /// Where it comes from.
    pub(super) reference: &'static str,
    /// Whether it looks at a layer.
    pub(super) layer: bool,
    /// The parameters it has.
    pub(super) params: &'static [ParamSpec],
    /// How it comes to its map.
    pub(super) explain: Explain,
}

/// How a method comes to its map.
pub(super) enum Explain {
    /// From a layer's activations and gradients to a map `[H, W]`.
    Cam(fn(&Planes) -> Result<Vec<f32>>),
    /// From a transformer's attention to a map `[H, W]`.
    Attention(fn(&Attention, &Params) -> Result<Tensor>),
    /// In one computation that asks for ∂z_c/∂x.
    FromGradient(fn(&Subject, &Params) -> Result<Attribution>),
    /// In one computation.
    Once(fn(&Subject, &Params) -> Result<Attribution>),
    /// Better with every update.
    Live(fn(&Subject, &Params) -> Result<Box<dyn Estimator>>),
}

/// A map that becomes better with every update. It draws what is random from the seed and the update's number.
pub(in crate::techniques) trait Estimator: Send {
    /// The updates it makes.
    fn total(&self) -> usize;
    /// Makes the update of that number, counted from 0.
    fn update(&mut self, subject: &Subject, number: usize) -> Result<()>;
    /// The estimate after at least one update.
    fn estimate(&self, subject: &Subject) -> Result<Attribution>;
    /// What the updates so far have left.
    fn save(&self) -> State;
    /// Takes that up.
    ///
    /// # Errors
    /// If it is another method's.
    fn load(&mut self, state: &State) -> Result<()>;
}

/// What a method found.
#[derive(Debug, Clone)]
pub(in crate::techniques) struct Attribution {
    /// The map, raw.
    pub heat: HeatMap,
    /// The attribution `[C, H, W]` behind it, where the method has channels.
    pub channels: Option<Array>,
    /// Figures of the method's own.
    pub facts: Map<String, Value>,
}

impl Attribution {
    /// A map `[H, W]` without channels.
    pub fn map(map: &Tensor) -> Result<Self> {
        let (h, w) = map.dims2()?;
        Ok(Self::cells(w, h, map.flatten_all()?.to_vec1::<f32>()?))
    }

    /// A map of `width` × `height` cells without channels.
    pub fn cells(width: usize, height: usize, values: Vec<f32>) -> Self {
        Self { heat: HeatMap::new(width as u32, height as u32, values), channels: None, facts: Map::new() }
    }

    /// An attribution `[1, C, H, W]` and its sum over the channels.
    pub fn summed(attribution: &Tensor) -> Result<Self> {
        Self::with_channels(attribution, &attribution.sum((0, 1))?)
    }

    /// An attribution `[1, C, H, W]` and the map `[H, W]` made of it.
    pub fn with_channels(attribution: &Tensor, map: &Tensor) -> Result<Self> {
        let channels = attribution.squeeze(0)?;
        let array = Array { shape: channels.dims().to_vec(), values: channels.flatten_all()?.to_vec1()?.into() };
        Ok(Self { channels: Some(array), ..Self::map(map)? })
    }

    /// The same with a figure more.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.into(), value.into());
        self
    }
}

/// When a live estimate ends by itself.
pub(super) const TOLERANCE: ParamSpec = ParamSpec {
    name: "tolerance",
    kind: ParamKind::Float { min: 0.0, max: 1.0, default: 0.0 },
    unit: "",
    help: "ends the run once three updates in a row change the map by less than this share; 0 makes them all",
    live: true,
};

/// How many samples a stochastic method draws.
pub(super) const fn samples(default: i64) -> ParamSpec {
    ParamSpec {
        name: "samples",
        kind: ParamKind::Int { min: 1, max: 1_000_000, default },
        unit: "",
        help: "samples drawn; more make the map steadier and take longer",
        live: false,
    }
}

impl Method {
    /// The layer the method looks at: the one asked for, or the model's for class activation maps. A method that looks at
    /// none works on models without such a layer, too.
    pub(in crate::techniques) fn layer_of(&self, model: &Model, layer: Option<&LayerName>) -> Result<LayerName> {
        if self.layer || layer.is_some() {
            return model.layer_or_usual(layer);
        }
        Ok(model.info.roles.cam.clone().unwrap_or_else(|| LayerName::INPUT.into()))
    }

    /// Says what the method misses in a model.
    ///
    /// # Errors
    /// [`Error::Missing`] if it needs attention and there is none.
    pub(in crate::techniques) fn check(&self, model: &Model) -> Result<()> {
        if matches!(self.explain, Explain::Attention(_)) && model.info.roles.attention.is_empty() {
            let what = "a transformer whose tokens attend to all patches, and this network has no such attention; \
                        class activation maps and integrated-gradients work on it";
            return Err(Error::Missing { technique: self.id, what });
        }
        Ok(())
    }

    /// Where the method asks for gradients, given its layer.
    pub(in crate::techniques) fn wanted(&self, layer: &LayerName) -> Vec<LayerName> {
        match self.explain {
            Explain::Cam(_) => vec![layer.clone()],
            Explain::FromGradient(_) => vec![LayerName::INPUT.into()],
            Explain::Attention(_) | Explain::Once(_) | Explain::Live(_) => vec![],
        }
    }

    /// The layers before which it differentiates nothing, given its own.
    pub(in crate::techniques) fn reaches(&self, layer: &LayerName) -> LayerName {
        if self.is_cam() { layer.clone() } else { LayerName::INPUT.into() }
    }

    /// Whether it is nothing but a formula over a layer's activations and gradient.
    #[must_use]
    pub fn is_cam(&self) -> bool {
        matches!(self.explain, Explain::Cam(_))
    }

    /// The method's answer about `subject`; a live one makes at most `updates` of its updates.
    pub(in crate::techniques) fn attribute(
        &self,
        subject: &Subject,
        params: &Params,
        updates: usize,
    ) -> Result<Attribution> {
        match self.explain {
            Explain::Cam(formula) => {
                let planes = subject.planes()?;
                Ok(Attribution::cells(planes.width, planes.height, formula(&planes)?))
            }
            Explain::Attention(formula) => Attribution::map(&formula(&Attention::of(subject)?, params)?),
            Explain::FromGradient(method) | Explain::Once(method) => method(subject, params),
            Explain::Live(start) => {
                let mut estimator = start(subject, params)?;
                for number in 0..estimator.total().min(updates) {
                    estimator.update(subject, number)?;
                }
                estimator.estimate(subject)
            }
        }
    }
}
