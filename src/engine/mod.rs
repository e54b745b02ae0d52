//! The engine: an async task whose computing has its own thread, reached through a [`Link`].
//!
//! [`Command`]s go in; [`Event`]s come out in order; [`Snapshot`]s come out newest-wins. All of them are plain
//! data without tensors or handles. The dashboard, the headless run and the tests drive the engine through the
//! same link. The engine knows nothing of terminals.

mod checkpoint;
mod device;
mod history;
pub mod host;
mod keeper;
mod link;
mod manifest;
mod message;
mod registry;
pub mod remote;
mod run;
mod save;
mod sources;
mod task;
mod wire;
mod worker;

pub use device::device;
pub use keeper::Keeping;
pub use link::{Link, Update};
pub use manifest::{Branching, InputRecord, ParameterChange, RunManifest, RunStatus};
pub use message::{
    Command, Compared, Delivery, Event, FailureKind, JobSpec, Mark, Past, Phase, ScoreSpec, Series, Snapshot, Source,
};
pub use registry::{About, RunFolder, Standing, find_run, private_folder, runs};
pub use task::{Engine, Options};
