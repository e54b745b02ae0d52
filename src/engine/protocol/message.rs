//! What crosses a [`Link`].

use super::manifest::{ParameterChange, RunManifest};
use crate::error::Error;
use crate::imaging::{Display, HeatMap, Picture};
use crate::model::{ModelInfo, Prediction};

use crate::techniques::{Panel, ParamValue, Params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a picture comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A file on the engine's machine.
    File(PathBuf),
    /// A picture inside the binary, by name.
    Sample(String),
}

impl Source {
    /// The file's name, or the sample's.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path
                .file_name()
                .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned()),
            Self::Sample(name) => format!("{name}.jpg"),
        }
    }
}

/// Everything that defines a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobSpec {
    /// The technique's id.
    pub technique: String,
    /// The model's id; the technique's default unless given.
    pub model: Option<String>,
    /// A weight file instead of the built-in one.
    pub weights: Option<PathBuf>,
    /// The photo.
    pub picture: Option<Source>,
    /// The photos beside it, for a technique that works on many together.
    pub others: Vec<Source>,
    /// The style pictures.
    pub styles: Vec<Source>,
    /// Where it counts: white in full, black not at all.
    pub mask: Option<Source>,
    /// The picture to start from.
    pub init: Option<Source>,
    /// The class to explain or show.
    pub class: Option<usize>,
    /// The class to be mistaken for.
    pub target: Option<usize>,
    /// The layer to look at.
    pub layer: Option<String>,
    /// Parameters that differ from their defaults.
    pub set: BTreeMap<String, ParamValue>,
    /// Seed of everything random.
    pub seed: u64,
    /// Maps to be made side by side; none for an ordinary run.
    pub compare: Vec<Compared>,
    /// Whether the map is to be scored, and how.
    pub score: Option<ScoreSpec>,
    /// Changes to be made on the way, by step: what an earlier run's manifest replays.
    pub changes: Vec<ParameterChange>,
    /// The step to end at, if that is before the job's own end.
    pub until: Option<usize>,
    /// What becomes of its files at its end, where that is settled beforehand. No part of `run.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl JobSpec {
    /// Every file it names.
    fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let one = [self.picture.as_mut(), self.mask.as_mut(), self.init.as_mut()].into_iter().flatten();
        let sources = one.chain(&mut self.others).chain(&mut self.styles);
        let files = sources.filter_map(|source| match source {
            Source::File(path) => Some(path),
            Source::Sample(_) => None,
        });
        files.chain(&mut self.weights)
    }

    /// The same with its relative paths starting from a folder.
    #[must_use]
    pub fn from_folder(mut self, folder: &Path) -> Self {
        for path in self.files() {
            *path = folder.join(&path);
        }
        if let Some(delivery) = &mut self.delivery {
            delivery.folder = folder.join(&delivery.folder);
        }
        self
    }

    /// The same without a word of where this person's files lie: paths under the present folder start from it, those beside
    /// the folder of the run's files start from that, of others only the name is left.
    #[must_use]
    pub fn without_places(mut self, folder: &Path) -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let out = here.join(folder);
        self.delivery = None;
        for path in self.files().filter(|path| path.is_absolute()) {
            let within = path.strip_prefix(&here).map(Path::to_owned).ok();
            let beside = || Some(Path::new("..").join(path.strip_prefix(out.parent()?).ok()?));
            *path = within.or_else(beside).or_else(|| path.file_name().map(PathBuf::from)).unwrap_or_default();
        }
        self
    }
}

/// How a run's files are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The folder, made if need be.
    pub folder: PathBuf,
    /// How maps are shown in `result.png` and `overlay.png`.
    pub display: Display,
    /// Whether an animation of the run goes with them.
    pub record: bool,
}

/// One map of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compared {
    /// The attribution method's id. Parameters set for the run's own technique count for it.
    pub technique: String,
    /// The class it explains; the run's unless given.
    pub class: Option<usize>,
    /// The layer it looks at; the run's unless given.
    pub layer: Option<String>,
}

/// How a map is scored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScoreSpec {
    /// The metrics' ids; all of them if empty.
    pub metrics: Vec<String>,
    /// Where the thing is in the photo: `[x, y, width, height]` in its pixels.
    pub target: Option<[f64; 4]>,
}

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
    /// Starts the present run from its beginning, with the parameters it has now.
    Restart,
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
            | Error::TooLarge { .. }
            | Error::Device { .. } => Self::Usage,
            Error::BadImage { .. } => Self::Image,
            Error::BadWeights { .. } => Self::Weights,
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
    /// In answer to [`Command::Keep`]: everything before it has been done.
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

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing runs.
    #[default]
    Idle,
    /// Weights and pictures are being read.
    Loading,
    /// Steps are being made.
    Running,
    /// Held.
    Paused,
    /// All done.
    Finished,
    /// Ended before.
    Stopped,
    /// Ended by a fault.
    Failed,
}

/// A named curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name: loss, content, score, p_target, …
    pub name: String,
    /// Step and value of each point.
    pub points: Vec<(usize, f64)>,
}

/// Something that happened at a step, to be marked on the curves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Updates made when it happened.
    pub step: usize,
    /// What it was: `style_weight 20 → 30`.
    pub text: String,
}

/// A run that came before the present one, to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its number.
    pub run: u64,
    /// The technique's id.
    pub technique: String,
    /// Updates it made.
    pub step: usize,
    /// Its last picture.
    pub result: Picture,
    /// Its curves.
    pub series: Vec<Series>,
    /// Its parameters at its end.
    pub params: Params,
}

/// The present state of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The run's number, 0 before the first.
    pub run: u64,
    /// How it stands.
    pub phase: Phase,
    /// The technique's id.
    pub technique: String,
    /// The model's id.
    pub model: String,
    /// The device it computes on.
    pub device: String,
    /// CPU threads it computes with.
    pub threads: usize,
    /// Updates made so far.
    pub step: usize,
    /// Updates it will make at most.
    pub total: usize,
    /// Mean milliseconds of the last steps.
    pub ms_per_step: f64,
    /// Milliseconds the step or loading under way has taken so far, if that is long.
    pub busy_ms: u64,
    /// The photo as the network sees it, or as it was read.
    pub input: Option<Picture>,
    /// The style picture, or the first of them.
    pub style: Option<Picture>,
    /// The picture made so far, or the one of the step that is looked at.
    pub result: Option<Picture>,
    /// What was added to the input to make it, magnified around grey.
    pub perturbation: Option<Picture>,
    /// What was found out about it, in words: name and value.
    pub findings: Vec<(String, String)>,
    /// The map made so far, raw.
    pub heat: Option<HeatMap>,
    /// The maps of a comparison.
    pub panels: Vec<Panel>,
    /// The rank correlation of each pair of them.
    pub similarity: Vec<Vec<f32>>,
    /// What the metrics found so far, by name.
    pub scores: Vec<(String, f64)>,
    /// The curves.
    pub series: Vec<Series>,
    /// What happened along them.
    pub marks: Vec<Mark>,
    /// The likeliest classes of what the step looked at.
    pub top: Vec<Prediction>,
    /// The parameters as they are now.
    pub params: Params,
    /// The class or, for an attack, the target it is about now, where that was chosen.
    pub about: Option<usize>,
    /// The steps that can be gone back to.
    pub history: Arc<[usize]>,
    /// The step that is looked at, if it is not the present one.
    pub shown: Option<usize>,
    /// Whether the run can be branched.
    pub branches: bool,
    /// The runs before it, the newest last.
    pub past: Arc<[Past]>,
    /// The fault that ended the run.
    pub failure: Option<String>,
    /// Its name in `gradlens runs`, once it is kept on the disk.
    pub kept: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_serialisation() {
        let spec = JobSpec {
            technique: "gradcam".into(),
            picture: Some(Source::Sample("hen".into())),
            set: BTreeMap::from([("steps".into(), ParamValue::Int(3))]),
            ..JobSpec::default()
        };
        let command = Command::Start(Box::new(spec));
        let text = serde_json::to_string(&command).expect("JSON");
        assert_eq!(serde_json::from_str::<Command>(&text).expect("a command"), command);
        let snapshot = Snapshot { result: Some(Picture::new(1, 1, vec![1, 2, 3])), ..Snapshot::default() };
        let text = serde_json::to_string(&snapshot).expect("JSON");
        assert_eq!(serde_json::from_str::<Snapshot>(&text).expect("a snapshot"), snapshot);
    }
}
