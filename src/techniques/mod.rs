//! Techniques: one file each, one line each in [`TECHNIQUES`].
//!
//! A [`Technique`] declares what it needs and which parameters it has, and starts a [`Job`]. A job does its work
//! in steps and can be looked at between them; it knows nothing of engines, terminals or files.

mod adversarial;
mod attribution;
mod classifier;
mod comparison;
pub mod evaluation;
mod params;
mod pixels;
mod similarity;
pub mod style;
mod tables;
mod visualization;

pub use attribution::Method;
pub use classifier::classify;
pub use comparison::{COMPARED, Variation, compare};
pub use params::{ParamKind, ParamSpec, ParamValue, Params, spec};
pub use pixels::{picture_from_pixels, pixels_from_picture};
pub use similarity::rank_correlation;
pub use tables::tables;

use crate::error::{Error, Result, did_you_mean};
use crate::imaging::{Array, HeatMap, Picture};
use crate::nets::{LayerName, Network};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Every technique, in the order of the dashboard's arrow keys: the attribution methods, then the others.
pub static TECHNIQUES: &[&dyn Technique] = &join();

const OTHERS: &[&dyn Technique] = &[&visualization::ClassVisualization, &adversarial::Fooling, &style::StyleTransfer];

const COUNT: usize = attribution::METHODS.len() + OTHERS.len();

const fn join() -> [&'static dyn Technique; COUNT] {
    let mut all: [&'static dyn Technique; COUNT] = [OTHERS[0]; COUNT];
    let mut i = 0;
    while i < COUNT {
        let methods = attribution::METHODS.len();
        all[i] = if i < methods { attribution::METHODS[i] } else { OTHERS[i - methods] };
        i += 1;
    }
    all
}

/// What a technique is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// What the network looks at.
    Attribution,
    /// What a class or unit looks like to it.
    Visualization,
    /// How it is fooled.
    Adversarial,
    /// What it can paint.
    Style,
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Attribution => "attribution",
            Self::Visualization => "visualization",
            Self::Adversarial => "adversarial",
            Self::Style => "style",
        })
    }
}

/// Whether a technique uses something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// It has no use for it.
    None,
    /// It uses it, and has a default.
    Optional,
    /// It cannot do without.
    Required,
}

/// What a technique uses beside its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// A photo.
    pub picture: Need,
    /// A style picture.
    pub style: Need,
    /// A picture to start from.
    pub init: Need,
    /// A class to explain or show; the default is the photo's top class.
    pub class: Need,
    /// A class to be mistaken for.
    pub target: Need,
    /// A layer.
    pub layer: Need,
}

impl Needs {
    /// Nothing at all, to be changed field by field.
    pub const NOTHING: Self = Self {
        picture: Need::None,
        style: Need::None,
        init: Need::None,
        class: Need::None,
        target: Need::None,
        layer: Need::None,
    };
}

/// What a job works on.
#[derive(Debug, Clone)]
pub struct Context {
    /// The network, on the device to compute on.
    pub network: Arc<Network>,
    /// The photo, at its own size.
    pub picture: Option<Picture>,
    /// The style picture, at its own size.
    pub style: Option<Picture>,
    /// The picture to start from, at its own size.
    pub init: Option<Picture>,
    /// The class to explain or show.
    pub class: Option<usize>,
    /// The class to be mistaken for.
    pub target: Option<usize>,
    /// The layer to look at.
    pub layer: Option<LayerName>,
    /// Seed of everything random.
    pub seed: u64,
}

/// A technique.
pub trait Technique: Sync {
    /// Its id on the command line.
    fn id(&self) -> &'static str;
    /// What it is for.
    fn group(&self) -> Group;
    /// What it shows, in a line.
    fn about(&self) -> &'static str;
    /// What it computes, as a formula.
    fn definition(&self) -> &'static str;
    /// Where it comes from.
    fn reference(&self) -> &'static str;
    /// What it uses.
    fn needs(&self) -> Needs;
    /// The parameters it has.
    fn params(&self) -> &'static [ParamSpec] {
        &[]
    }
    /// The model it runs on unless told otherwise.
    fn default_model(&self) -> &'static str {
        "tf_efficientnet_lite0"
    }
    /// A job, ready for its first step.
    ///
    /// # Errors
    /// If something it needs is missing or does not fit.
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>>;
    /// The attribution method it is, if it is one: such techniques can be compared and scored.
    fn method(&'static self) -> Option<&'static Method> {
        None
    }
}

/// How far a job is after a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Updates made so far; the first step looks at the start and makes none.
    pub step: usize,
    /// The updates it will make at most.
    pub total: usize,
    /// Named figures of this step, for curves and `series.csv`.
    pub figures: Vec<(&'static str, f64)>,
    /// The logits of what the step looked at, if it saw any.
    pub logits: Option<Vec<f32>>,
    /// Whether there is nothing left to do.
    pub done: bool,
}

/// What a job has to show between steps.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The photo as the network sees it.
    pub input: Option<Picture>,
    /// The picture made so far.
    pub result: Option<Picture>,
    /// The map made so far, raw.
    pub heat: Option<HeatMap>,
    /// The attribution `[3, H, W]` behind the map, where the technique has channels.
    pub attribution: Option<Array>,
    /// The maps of a comparison.
    pub panels: Vec<Panel>,
    /// The rank correlation of each pair of them.
    pub similarity: Vec<Vec<f32>>,
    /// What the metrics found so far, by name.
    pub scores: Vec<(String, f64)>,
}

/// One map among several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// What makes it differ from the others.
    pub title: String,
    /// The map, raw.
    pub heat: HeatMap,
}

/// A technique at work.
pub trait Job: Send {
    /// Does the next step. The first call only looks at the start; each further call makes one update and looks
    /// at its result, so that figures, logits and [`Job::view`] always belong together.
    ///
    /// # Errors
    /// If the computation fails.
    fn step(&mut self) -> Result<Progress>;

    /// Changes a live parameter; the value has been checked against its declaration.
    fn set(&mut self, params: &Params);

    /// What there is to see.
    ///
    /// # Errors
    /// If the picture cannot be read back from the device.
    fn view(&self) -> Result<View>;

    /// Technique-specific figures for `run.json`.
    fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::new()
    }
}

/// The technique called `id`.
///
/// # Errors
/// [`Error::Unknown`] with the closest ids.
pub fn find(techniques: &[&'static dyn Technique], id: &str) -> Result<&'static dyn Technique> {
    techniques.iter().find(|t| t.id() == id).copied().ok_or_else(|| {
        let near = did_you_mean(id, techniques.iter().map(|t| t.id()));
        Error::unknown("technique", id, format!("{near} `gradlens techniques` lists them").trim_start())
    })
}

/// A class as `run.json` names it.
fn class_fact(class: usize) -> serde_json::Value {
    serde_json::json!({ "index": class, "label": crate::nets::labels::label(class) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_registry_is_sound() {
        let ids: BTreeSet<&str> = TECHNIQUES.iter().map(|t| t.id()).collect();
        assert_eq!(ids.len(), TECHNIQUES.len(), "two techniques share an id");
        for technique in TECHNIQUES {
            assert!(crate::nets::model(technique.default_model()).is_ok());
            let defaults = Params::new(technique.params(), &BTreeMap::new()).expect("defaults");
            for spec in technique.params() {
                let default = defaults.get(spec.name).expect("declared").clone();
                assert!(spec.check(default).is_ok(), "{} of {}", spec.name, technique.id());
                assert!(!spec.help.is_empty() && !spec.help.ends_with('.'));
            }
        }
    }
}
