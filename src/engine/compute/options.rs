//! How an engine computes.

use crate::engine::store::Keeping;
use crate::model::{BUILT_IN, Entry};
use crate::techniques::{TECHNIQUES, Technique};
use std::path::PathBuf;

/// How an engine computes.
#[derive(Clone)]
pub struct Options {
    /// `cpu`, `cuda:N` or `metal`.
    pub device: String,
    /// CPU threads; all cores unless given. Counts for the whole process, and only the first time.
    pub threads: Option<usize>,
    /// The models it knows by name, the usual classifier first.
    pub models: &'static [Entry],
    /// The techniques it knows.
    pub techniques: &'static [&'static dyn Technique],
    /// Whether SIGINT and SIGTERM stop the run and are reported as [`crate::engine::Event::Interrupted`].
    pub signals: bool,
    /// Where runs are kept so that they can be taken up again; nowhere unless given.
    pub keeping: Option<Keeping>,
    /// Where files go that nobody named a folder for.
    pub saves: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            device: "cpu".into(),
            threads: None,
            models: BUILT_IN,
            techniques: TECHNIQUES,
            signals: false,
            keeping: None,
            saves: "gradlens".into(),
        }
    }
}
