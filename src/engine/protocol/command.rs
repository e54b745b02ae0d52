//! What a watcher asks of the engine.

use super::spec::JobSpec;
use crate::imaging::Display;
use crate::techniques::ParamValue;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a watcher asks of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Ends the present run, if any, and starts this one.
    Start(Box<JobSpec>),
    /// Holds the run after the present step.
    Pause,
    /// Goes on.
    Resume,
    /// Does one step of a paused run.
    Step,
    /// Changes a parameter: at once if it is live, else by starting the run anew. `class` and `target` (an index) and
    /// `layer` (a name) are parameters here too.
    Set {
        /// The parameter.
        name: String,
        /// Its new value.
        value: ParamValue,
    },
    /// Ends the run within one step and keeps what it has.
    Stop,
    /// Shows an earlier step of the run, or the present one again; the run is paused by it.
    Look {
        /// The step.
        step: Option<usize>,
    },
    /// Ends the run and starts one that goes on, paused, from an earlier step of it, with the parameters of that step.
    Branch {
        /// The step.
        step: usize,
    },
    /// Takes up the run that is kept in a folder; it goes on if it was going on.
    Restore {
        /// The folder.
        folder: PathBuf,
    },
    /// Keeps the run at once, and says so: its watcher is about to leave it.
    Keep,
    /// Writes the run's files into a folder.
    Save {
        /// The folder, made if need be; one of the engine's own unless given.
        folder: Option<PathBuf>,
        /// How maps are shown in `result.png` and `overlay.png`.
        display: Display,
        /// Whether an animation of the run goes with them.
        record: bool,
    },
    /// Ends the engine.
    Shutdown,
}

#[cfg(test)]
mod tests {
    use super::super::spec::Source;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn commands_survive_serialisation() {
        let spec = JobSpec {
            technique: "gradcam".into(),
            picture: Some(Source::Sample("hen".into())),
            set: BTreeMap::from([("steps".into(), ParamValue::Int(3))]),
            ..JobSpec::default()
        };
        let command = Command::Start(Box::new(spec));
        let text = serde_json::to_string(&command).expect("JSON");
        assert_eq!(serde_json::from_str::<Command>(&text).expect("a command"), command);
    }
}
