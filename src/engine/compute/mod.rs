//! The task between watchers and the computing thread, and that thread.

mod begin;
mod device;
mod guard;
mod options;
mod sources;
mod task;
mod worker;

pub use begin::can_begin;
pub use device::{computing_threads, device};
pub use options::Options;
pub use task::Engine;
