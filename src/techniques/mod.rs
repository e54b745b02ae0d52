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
mod state;
mod stopping;
pub mod style;
mod tables;
mod visualization;

pub use attribution::Method;
pub use classifier::classify;
pub use comparison::{COMPARED, Variation, compare};
pub use params::{ParamKind, ParamSpec, ParamValue, Params, Preset, spec};
pub use pixels::{picture_from_pixels, pixels_from_picture};
pub use similarity::rank_correlation;
pub use state::State;
pub use tables::tables;

use crate::error::{Error, Result, did_you_mean};
use crate::graph::LayerName;
use crate::imaging::{Array, HeatMap, Picture};
use crate::model::Model;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Every technique, in the order of the dashboard's arrow keys: the attribution methods, then the others.
pub static TECHNIQUES: &[&dyn Technique] = &join();

const VISUALIZATIONS: [&dyn Technique; 3] =
    [&visualization::ClassVisualization, &visualization::FeatureVisualization, &visualization::DeepDream];

const STYLES: [&dyn Technique; 1] = [&style::StyleTransfer];

const COUNT: usize = attribution::METHODS.len() + VISUALIZATIONS.len() + adversarial::ATTACKS.len() + STYLES.len();

const fn join() -> [&'static dyn Technique; COUNT] {
    let mut all: [&'static dyn Technique; COUNT] = [STYLES[0]; COUNT];
    let mut i = 0;
    while i < COUNT {
        let attacks = attribution::METHODS.len() + VISUALIZATIONS.len();
        all[i] = if i < attribution::METHODS.len() {
            attribution::METHODS[i]
        } else if i < attacks {
            VISUALIZATIONS[i - attribution::METHODS.len()]
        } else if i < attacks + adversarial::ATTACKS.len() {
            adversarial::ATTACKS[i - attacks]
        } else {
            STYLES[i - attacks - adversarial::ATTACKS.len()]
        };
        i += 1;
    }
    all
}

/// What a technique is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// What the model looks at.
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
    /// A style picture, or several.
    pub style: Need,
    /// A picture of where it counts.
    pub mask: Need,
    /// A picture to start from.
    pub init: Need,
    /// A class to explain or show; the default is the photo's top class.
    pub class: Need,
    /// A class to be mistaken for.
    pub target: Need,
    /// A layer.
    pub layer: Need,
    /// All the photos at once, not one job a photo.
    pub together: bool,
}

impl Needs {
    /// Nothing at all, to be changed field by field.
    pub const NOTHING: Self = Self {
        picture: Need::None,
        style: Need::None,
        mask: Need::None,
        init: Need::None,
        class: Need::None,
        target: Need::None,
        layer: Need::None,
        together: false,
    };
}

/// What a job works on.
#[derive(Debug, Clone)]
pub struct Context {
    /// The model, on the device to compute on.
    pub model: Arc<Model>,
    /// The photo, at its own size.
    pub picture: Option<Picture>,
    /// The photos beside it, for a technique that works on many together.
    pub others: Vec<Picture>,
    /// The style pictures, at their own sizes.
    pub styles: Vec<Picture>,
    /// Where it counts: white in full, black not at all.
    pub mask: Option<Picture>,
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

/// What a job is about and may turn to while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aim {
    /// The class to explain or show.
    pub class: Option<usize>,
    /// The class to be mistaken for.
    pub target: Option<usize>,
    /// The layer to look at.
    pub layer: Option<LayerName>,
}

impl Context {
    /// What the job is about at its start.
    #[must_use]
    pub fn aim(&self) -> Aim {
        Aim { class: self.class, target: self.target, layer: self.layer.clone() }
    }
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
    /// Its parameters as they are unless set.
    ///
    /// # Panics
    /// If its declaration contradicts itself, which a test of the registry rules out.
    fn defaults(&self) -> Params {
        Params::new(self.params(), &std::collections::BTreeMap::new()).expect("sound declarations")
    }
    /// The parts of its [`Aim`] that a running job can turn to: `class`, `target`, `layer`.
    fn steered(&self) -> &'static [&'static str] {
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Updates made so far; the first step looks at the start and makes none.
    pub step: usize,
    /// The updates it will make at most.
    pub total: usize,
    /// Named figures of this step, for curves and `series.csv`.
    pub figures: Vec<(&'static str, f64)>,
    /// The logits of what the step looked at, if it saw any.
    pub logits: Option<Vec<f32>>,
    /// What happened in this step and is worth a mark on the curves.
    pub notes: Vec<String>,
    /// Whether there is nothing left to do.
    pub done: bool,
}

/// What a job has to show between steps.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The photo as the model sees it.
    pub input: Option<Picture>,
    /// The picture made so far.
    pub result: Option<Picture>,
    /// What was added to the input to make the result, magnified around grey.
    pub perturbation: Option<Picture>,
    /// The same raw, `[3, H, W]`, where it is the thing that is looked for.
    pub perturbation_values: Option<Array>,
    /// What was found out about the result, in words: name and value.
    pub findings: Vec<(String, String)>,
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

    /// Turns to new values of live parameters, checked against their declaration, and to a new aim where the
    /// technique is [steered](Technique::steered).
    ///
    /// # Errors
    /// If the new values do not fit the job; it then goes on with the old ones.
    fn set(&mut self, params: &Params, aim: &Aim) -> Result<()>;

    /// Everything the job needs to go on from here exactly as it would; `None` where it cannot.
    fn save_state(&self) -> Option<State> {
        None
    }

    /// Goes back, or on, to a state saved by a job of the same beginning. Parameters and aim are not part of it.
    ///
    /// # Errors
    /// If the state is not one of such a job.
    fn load_state(&mut self, _state: &State) -> Result<()> {
        Err(State::foreign())
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_registry_is_sound() {
        let ids: BTreeSet<&str> = TECHNIQUES.iter().map(|t| t.id()).collect();
        assert_eq!(ids.len(), TECHNIQUES.len(), "two techniques share an id");
        for technique in TECHNIQUES {
            assert!(crate::model::find(crate::model::BUILT_IN, technique.default_model()).is_ok());
            let defaults = Params::new(technique.params(), &BTreeMap::new()).expect("defaults");
            for recipe in technique.params() {
                let ParamKind::Preset { options, .. } = recipe.kind else { continue };
                for preset in options {
                    let given = BTreeMap::from([(recipe.name.to_owned(), ParamValue::Text(preset.id.to_owned()))]);
                    Params::new(technique.params(), &given).expect(preset.id);
                }
            }
            for spec in technique.params() {
                let default = defaults.get(spec.name).expect("declared").clone();
                assert!(spec.check(default).is_ok(), "{} of {}", spec.name, technique.id());
                assert!(!spec.help.is_empty() && !spec.help.ends_with('.'));
            }
        }
    }
}
