//! Techniques: one file each, one line each in the list of their group; [`TECHNIQUES`] joins the lists.

mod adversarial;
mod api;
mod attribution;
mod classifier;
mod comparison;
pub mod evaluation;
mod maps;
mod markdown;
mod optimisation;
mod registry;
mod similarity;
mod stopping;
pub mod style;
mod visualization;

pub use api::{
    Aim, Artefact, Context, Figure, Finding, Group, Job, Need, Needs, Panel, ParamKind, ParamSpec, ParamValue,
    Params, Preset, Progress, Scale, State, Technique, View, figure, spec,
};
pub use attribution::Method;
pub use classifier::classify;
pub use comparison::{COMPARED, Variation, compare};
pub use markdown::markdown;
pub use registry::{TECHNIQUES, find, method};
pub use similarity::rank_correlation;
