//! The engine: an async task whose computing has its own thread, reached through a [`Link`].
//!
//! [`Command`]s go in; [`Event`]s come out in order; [`Snapshot`]s come out newest-wins. All of them are plain
//! data without tensors or handles. The dashboard, the headless run and the tests drive the engine through the
//! same link. The engine knows nothing of terminals.

mod device;
mod history;
mod link;
mod manifest;
mod message;
mod run;
mod save;
mod sources;
mod task;
mod worker;

pub use device::device;
pub use link::{Link, Update};
pub use manifest::{Branching, InputRecord, ParameterChange, RunManifest, RunStatus};
pub use message::{
    Command, Compared, Event, FailureKind, JobSpec, Mark, Past, Phase, Prediction, ScoreSpec, Series, Snapshot,
    Source, top_predictions,
};
pub use task::{Engine, Options};
