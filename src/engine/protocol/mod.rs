//! What crosses a [`Link`]: plain data without tensors, handles or closures.

mod link;
mod manifest;
mod message;
pub(in crate::engine) mod wire;

pub use link::{Link, Update};
pub use manifest::{Branching, InputRecord, ParameterChange, RunManifest, RunStatus};
pub use message::{
    Command, Compared, Delivery, Event, FailureKind, JobSpec, Mark, Past, Phase, ScoreSpec, Series, Snapshot, Source,
};
