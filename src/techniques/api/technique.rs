//! What a technique declares, and what its job gets.

use super::{Aim, Job, ParamSpec, Params};
use crate::error::Result;
use crate::graph::LayerName;
use crate::imaging::Picture;
use crate::model::{Model, Purpose};
use serde::Serialize;
use std::sync::Arc;

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

    /// Whether it is about a class of the network.
    #[must_use]
    pub fn about_a_class(&self) -> bool {
        self.class != Need::None || self.target != Need::None
    }
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
    /// What it needs a model for, which decides the one it runs on unless told otherwise.
    fn purpose(&self) -> Purpose {
        Purpose::Classes
    }
    /// A job, ready for its first step.
    ///
    /// # Errors
    /// If something it needs is missing or does not fit.
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>>;
}
