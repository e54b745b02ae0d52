//! The task between watchers and the computing thread, and that thread.

mod device;
mod sources;
mod task;
mod worker;

pub use device::device;
pub use task::{Engine, Options};
