//! What is on the disk: runs that can be taken up again, the list of them, and the files of a run.

pub(in crate::engine) mod checkpoint;
pub(in crate::engine) mod keeper;
pub(in crate::engine) mod registry;
pub(in crate::engine) mod save;

pub use keeper::Keeping;
pub use registry::{About, RunFolder, Standing, find_run, private_folder, runs};
