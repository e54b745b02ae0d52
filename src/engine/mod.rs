//! The engine: an async task whose computing has its own thread, reached through a [`Link`].
//!
//! [`Command`]s go in; [`Event`]s come out in order; [`Snapshot`]s come out newest-wins. All of them are plain
//! data without tensors or handles. The dashboard, the headless run and the tests drive the engine through the
//! same link. The engine knows nothing of terminals.

mod compute;
mod protocol;
pub mod remote;
mod run;
mod store;

pub use compute::{Engine, Options, can_begin, computing_threads, device};
pub use protocol::{
    Branching, ClassName, Command, Compared, Course, CurvePoint, Delivery, Event, FailureKind, InputRecord, JobSpec,
    Link, Machine, Mark, MarkKind, ModelRecord, Origin, OutputRecord, ParameterChange, Past, Phase, Photo, Points,
    RunManifest, RunStatus, ScoreSpec, Series, Snapshot, Source, Task, Update,
};
pub use remote::host;
pub use store::{About, Keeping, RunFolder, Standing, find_run, private_folder, runs};
