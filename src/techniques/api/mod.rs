//! What every technique is, whatever it computes: a [`Technique`] declares what it needs and which parameters it has, and
//! starts a [`Job`]. A job does its work in steps and can be looked at between them; it knows nothing of engines, terminals
//! or files.

mod aim;
mod figures;
mod job;
mod params;
mod state;
mod technique;

pub use aim::Aim;
pub use figures::{Figure, Scale, figure};
pub use job::{Artefact, Finding, Job, Panel, Progress, View};
pub use params::{ParamKind, ParamSpec, ParamValue, Params, Preset, spec};
pub use state::State;
pub use technique::{Context, Group, Need, Needs, Technique};
