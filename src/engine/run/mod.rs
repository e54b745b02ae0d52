//! One run, its history, its curves, and its way to the disk and back.

mod history;
mod present;
mod resume;

pub(in crate::engine) use present::{AIMS, Beginning, Run, aimed};
