//! What crosses a [`Link`]: plain data without tensors, handles or closures.

mod command;
mod course;
mod curve;
mod event;
mod link;
mod manifest;
mod snapshot;
mod spec;
pub(in crate::engine) mod wire;

pub use command::Command;
pub use course::{Course, Mark, MarkKind, Phase};
pub use curve::{CurvePoint, Points, Series};
pub use event::{Event, FailureKind};
pub use link::{Link, Update};
pub use manifest::{Branching, InputRecord, ModelRecord, Origin, OutputRecord, RunManifest, RunStatus};
pub use snapshot::{Machine, Past, Photo, Snapshot};
pub use spec::{ClassName, Compared, Delivery, JobSpec, ParameterChange, ScoreSpec, Source, Task, role};
