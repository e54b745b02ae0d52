//! What the engine tells of.

use super::manifest::RunManifest;
use super::spec::JobSpec;
use crate::error::Error;
use crate::model::ModelInfo;
use crate::techniques::{ParamValue, Params};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Why a run failed, coarsely: what an exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Something asked for does not exist or does not fit.
    Usage,
    /// A picture cannot be read.
    Image,
    /// Weights cannot be read.
    Weights,
    /// Anything else.
    Failed,
}

impl From<&Error> for FailureKind {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unknown { .. }
            | Error::Ambiguous { .. }
            | Error::BadValue { .. }
            | Error::Missing { .. }
            | Error::NoRule { .. }
            | Error::TooLarge { .. }
            | Error::Device { .. } => Self::Usage,
            Error::BadImage { .. } => Self::Image,
            Error::BadWeights { .. } | Error::BadModel { .. } | Error::BadGraph { .. } => Self::Weights,
            Error::NotKept { .. }
            | Error::Output { .. }
            | Error::Diverged { .. }
            | Error::BadCheckpoint { .. }
            | Error::Peer(_)
            | Error::EngineGone
            | Error::Compute(_) => Self::Failed,
        }
    }
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A run is about to begin.
    Started {
        /// Its number, counted from 1.
        run: u64,
        /// What was asked for.
        spec: Box<JobSpec>,
        /// The model it runs on.
        model: Arc<ModelInfo>,
        /// Its parameters, complete.
        params: Params,
    },
    /// The run holds.
    Paused {
        /// Its number.
        run: u64,
        /// Updates made so far.
        step: usize,
    },
    /// The run goes on.
    Resumed {
        /// Its number.
        run: u64,
        /// Updates made so far.
        step: usize,
    },
    /// A live parameter has a new value.
    Changed {
        /// The run's number.
        run: u64,
        /// Updates made so far.
        step: usize,
        /// The parameter.
        name: String,
        /// Its new value.
        value: ParamValue,
    },
    /// The run did all it had to do.
    Finished {
        /// Its number.
        run: u64,
        /// Updates it made.
        step: usize,
    },
    /// The run was ended before.
    Stopped {
        /// Its number.
        run: u64,
        /// Updates it made.
        step: usize,
    },
    /// The run ended by a fault; its last good picture is kept.
    Failed {
        /// Its number.
        run: u64,
        /// Updates it made.
        step: usize,
        /// The kind of fault.
        kind: FailureKind,
        /// One sentence for the person.
        message: String,
    },
    /// The run's files are written.
    Saved {
        /// Its number.
        run: u64,
        /// Where they are.
        folder: PathBuf,
        /// Their names.
        files: Vec<String>,
        /// What `run.json` holds.
        manifest: Box<RunManifest>,
    },
    /// In answer to [`Keep`](super::Command::Keep): everything before it has been done.
    Kept {
        /// The run's name in `gradlens runs`, if it can be taken up again.
        name: Option<String>,
    },
    /// Something is amiss that does not stop the run.
    Warned {
        /// One sentence for the person.
        message: String,
    },
    /// A command could not be carried out; the run is as it was.
    Refused {
        /// The kind of fault.
        kind: FailureKind,
        /// One sentence for the person.
        message: String,
    },
    /// The system asked the program to end (SIGINT or SIGTERM); the run is being stopped.
    Interrupted {
        /// The signal's name.
        signal: String,
    },
}
