//! What is asked for: a run, and everything that defines it.

use crate::error::Result;
use crate::imaging::Display;
use crate::model::read::{ReadOptions, is_path};
use crate::model::{Labels, ModelRef};
use crate::techniques::ParamValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// A class as a person names it. Only the engine has the model, so only the engine knows which one is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassName {
    /// By its index.
    Index(usize),
    /// By its label, a part of it that fits just one, or its index.
    Label(String),
}

impl ClassName {
    /// Its index, once it is known.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::Index(index) => Some(*index),
            Self::Label(_) => None,
        }
    }

    /// The class that is meant among those of a model.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`] or [`crate::Error::Ambiguous`], both with candidates.
    pub fn among(&self, labels: &Labels) -> Result<usize> {
        match self {
            Self::Index(index) => labels.check(*index),
            Self::Label(label) => labels.find(label),
        }
    }
}

impl From<usize> for ClassName {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for ClassName {
    /// A number may be an index or the name of a class: the model decides.
    fn from(text: &str) -> Self {
        Self::Label(text.trim().to_owned())
    }
}

/// Everything that defines a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobSpec {
    /// The technique's id.
    pub technique: String,
    /// The model's id, or the path of its file; the technique's usual one unless given.
    pub model: Option<String>,
    /// A weight file instead of the built-in one.
    pub weights: Option<PathBuf>,
    /// What a model file does not say of itself.
    #[serde(skip_serializing_if = "ReadOptions::is_empty")]
    pub reading: ReadOptions,
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
    pub class: Option<ClassName>,
    /// The class to be mistaken for.
    pub target: Option<ClassName>,
    /// The layer to look at.
    pub layer: Option<String>,
    /// Parameters that differ from their defaults.
    pub set: BTreeMap<String, ParamValue>,
    /// Seed of everything random.
    pub seed: u64,
    /// What is to be done with the technique.
    #[serde(flatten)]
    pub task: Task,
    /// Changes to be made on the way, by step: what an earlier run's manifest replays.
    pub changes: Vec<ParameterChange>,
    /// The step to end at, if that is before the job's own end.
    pub until: Option<usize>,
    /// What becomes of its files at its end, where that is settled beforehand. No part of `run.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl JobSpec {
    /// The model that it runs on; `usual` says which one, where none is named.
    #[must_use]
    pub fn model_ref(&self, usual: impl FnOnce() -> String) -> ModelRef {
        let name = self.model.clone().unwrap_or_else(usual);
        ModelRef { name, weights: self.weights.clone(), reading: self.reading.clone() }
    }

    /// Every class it names.
    pub fn classes(&mut self) -> impl Iterator<Item = &mut ClassName> {
        let compared: &mut [Compared] = if let Task::Compare(maps) = &mut self.task { maps } else { &mut [] };
        let compared = compared.iter_mut().filter_map(|map| map.class.as_mut());
        self.class.iter_mut().chain(&mut self.target).chain(compared)
    }

    /// Whether a run that has begun is the one that is asked for here: the same, but that its classes are known by now.
    #[must_use]
    pub fn became(&self, begun: &Self) -> bool {
        let (mut own, mut begun) = (self.clone(), begun.clone());
        for (own, begun) in own.classes().zip(begun.classes()) {
            if own.index().is_none() {
                own.clone_from(begun);
            }
        }
        own == begun
    }

    /// Every file it names.
    fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let one = [self.picture.as_mut(), self.mask.as_mut(), self.init.as_mut()].into_iter().flatten();
        let sources = one.chain(&mut self.others).chain(&mut self.styles);
        let files = sources.filter_map(|source| match source {
            Source::File(path) => Some(path),
            Source::Sample(_) => None,
        });
        files.chain(&mut self.weights).chain(&mut self.reading.labels)
    }

    /// Every picture it names, with the role in which [`InputRecord`](super::InputRecord)s have it.
    pub fn pictures(&mut self) -> impl Iterator<Item = (&'static str, &mut Source)> {
        let photos = self.picture.iter_mut().chain(&mut self.others).map(|source| (role::PICTURE, source));
        let styles = self.styles.iter_mut().map(|source| (role::STYLE, source));
        let others = self.mask.iter_mut().map(|source| (role::MASK, source));
        photos.chain(styles).chain(others).chain(self.init.iter_mut().map(|source| (role::INIT, source)))
    }

    /// The same with its relative paths starting from a folder.
    #[must_use]
    pub fn from_folder(mut self, folder: &Path) -> Self {
        for path in self.files() {
            *path = folder.join(&path);
        }
        if let Some(model) = self.model.as_mut().filter(|model| is_path(model)) {
            *model = folder.join(&*model).to_string_lossy().into_owned();
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
        let placeless = |path: &Path| {
            let within = path.strip_prefix(&here).map(Path::to_owned).ok();
            let beside = || Some(Path::new("..").join(path.strip_prefix(out.parent()?).ok()?));
            within.or_else(beside).or_else(|| path.file_name().map(PathBuf::from)).unwrap_or_default()
        };
        for path in self.files().filter(|path| path.is_absolute()) {
            *path = placeless(path);
        }
        if let Some(model) = self.model.as_mut().filter(|model| is_path(model) && Path::new(model).is_absolute()) {
            *model = placeless(Path::new(&*model)).to_string_lossy().into_owned();
        }
        self
    }
}

/// What a picture is in a run, as records of it say.
pub mod role {
    /// A photo that is looked at.
    pub const PICTURE: &str = "picture";
    /// A painting.
    pub const STYLE: &str = "style";
    /// A mask.
    pub const MASK: &str = "mask";
    /// A picture that is started from.
    pub const INIT: &str = "init";
}

/// What is done with a technique. As JSON it is two fields, `compare` and `score`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "TaskFields", into = "TaskFields")]
pub enum Task {
    /// It is run.
    #[default]
    Run,
    /// Maps are made side by side.
    Compare(Vec<Compared>),
    /// Its map is made and scored.
    Score(ScoreSpec),
}

impl Task {
    /// Whether a map is made to be scored.
    #[must_use]
    pub fn is_score(&self) -> bool {
        matches!(self, Self::Score(_))
    }

    /// Whether maps are made side by side.
    #[must_use]
    pub fn is_compare(&self) -> bool {
        matches!(self, Self::Compare(_))
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct TaskFields {
    compare: Vec<Compared>,
    score: Option<ScoreSpec>,
}

impl From<TaskFields> for Task {
    fn from(TaskFields { compare, score }: TaskFields) -> Self {
        match score {
            Some(score) => Self::Score(score),
            None if compare.is_empty() => Self::Run,
            None => Self::Compare(compare),
        }
    }
}

impl From<Task> for TaskFields {
    fn from(task: Task) -> Self {
        match task {
            Task::Run => Self::default(),
            Task::Compare(compare) => Self { compare, score: None },
            Task::Score(score) => Self { compare: vec![], score: Some(score) },
        }
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
    pub class: Option<ClassName>,
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

/// A parameter, or `class`, `target` or `layer`, changed while the run was going.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterChange {
    /// Updates made when it changed.
    pub step: usize,
    /// The parameter.
    pub name: String,
    /// Its new value.
    pub value: ParamValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> JobSpec {
        serde_json::from_str(json).expect("a job")
    }

    #[test]
    fn what_was_written_before_is_still_read() {
        let old = spec(r#"{"technique":"pgd","class":235,"target":null,"compare":[],"score":null,"seed":3}"#);
        assert_eq!((old.class, old.task, old.seed), (Some(ClassName::Index(235)), Task::Run, 3));
        let old = spec(r#"{"technique":"gradcam","compare":[{"technique":"gradcam","class":1,"layer":null}]}"#);
        let compared = Compared { technique: "gradcam".into(), class: Some(1.into()), layer: None };
        assert_eq!(old.task, Task::Compare(vec![compared]));
        let old = spec(r#"{"technique":"gradcam","score":{"metrics":["road"],"target":null}}"#);
        assert_eq!(old.task, Task::Score(ScoreSpec { metrics: vec!["road".into()], target: None }));
    }

    #[test]
    fn every_task_comes_back_from_json() {
        let compared =
            Compared { technique: "gradcam".into(), class: Some("dog".into()), layer: Some("head".into()) };
        let tasks = [Task::Run, Task::Compare(vec![compared]), Task::Score(ScoreSpec::default())];
        for task in tasks {
            let spec = JobSpec { task, class: Some("tabby".into()), ..JobSpec::default() };
            let text = serde_json::to_string(&spec).expect("JSON");
            assert!(
                text.contains("\"compare\":") && text.contains("\"score\":") && !text.contains("\"task\""),
                "{text}"
            );
            assert_eq!(self::spec(&text), spec);
        }
    }

    #[test]
    fn a_class_is_an_index_or_a_label_of_the_model() {
        let labels = Labels::new(vec!["cat".into(), "dog".into()]);
        assert_eq!(ClassName::from(" 1 ").among(&labels).ok(), Some(1));
        assert_eq!(ClassName::from("do").among(&labels).ok(), Some(1));
        assert!(ClassName::from("2").among(&labels).is_err() && ClassName::from("cow").among(&labels).is_err());
    }

    #[test]
    fn a_run_is_known_again_once_its_classes_are() {
        let asked = JobSpec { class: Some("dog".into()), ..JobSpec::default() };
        let begun = JobSpec { class: Some(1.into()), ..JobSpec::default() };
        assert!(asked.became(&begun) && begun.became(&begun) && !begun.became(&asked));
        assert!(!asked.became(&JobSpec { seed: 1, ..begun }));
    }
}
