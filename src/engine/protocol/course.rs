//! How far a run is and what happened on its way.

use super::curve::Series;
use crate::model::Prediction;
use serde::{Deserialize, Serialize};

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

/// How far a run is and what happened on its way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Course {
    /// How it stands.
    pub phase: Phase,
    /// Updates made so far.
    pub step: usize,
    /// Updates it will make at most.
    pub total: usize,
    /// The curves.
    pub series: Vec<Series>,
    /// What happened along them.
    pub marks: Vec<Mark>,
    /// The likeliest classes of what the step looked at.
    pub top: Vec<Prediction>,
    /// Those before the first update.
    pub top_before: Vec<Prediction>,
    /// The fault that ended the run.
    pub failure: Option<String>,
}

impl Course {
    /// Whether steps may still come.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// The newest value of each curve, by name.
    pub fn figures(&self) -> impl Iterator<Item = (&str, f64)> {
        self.series.iter().filter_map(|series| Some((series.name.as_str(), series.points.last()?.1)))
    }

    /// Where a parameter or a part of the aim was changed last.
    #[must_use]
    pub fn changed(&self, name: &str) -> Option<usize> {
        let is_it = |mark: &&Mark| matches!(&mark.kind, MarkKind::Changed { name: own, .. } if own == name);
        self.marks.iter().rev().find(is_it).map(|mark| mark.step)
    }
}

/// Something that happened at a step, to be marked on the curves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Updates made when it happened.
    pub step: usize,
    /// What it was.
    #[serde(flatten)]
    pub kind: MarkKind,
}

/// What a [`Mark`] tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// A parameter or a part of the aim was changed.
    Changed {
        /// Which.
        name: String,
        /// Its value before, in words.
        from: String,
        /// Its value since, in words.
        to: String,
    },
    /// The run left another one.
    Branched {
        /// The other run's number.
        run: u64,
    },
    /// The technique says so; marks of older programs are all of this kind.
    #[serde(rename = "text")]
    Note(String),
}

impl std::fmt::Display for MarkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed { name, from, to } => write!(f, "{name} {from} → {to}"),
            Self::Branched { run } => write!(f, "branched from run {run}"),
            Self::Note(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_before_are_notes() {
        let read = |text: &str| serde_json::from_str::<Mark>(text).expect("a mark");
        let old = read(r#"{"step":3,"text":"flipped to hen"}"#);
        assert_eq!(old, Mark { step: 3, kind: MarkKind::Note("flipped to hen".into()) });
        let changed = MarkKind::Changed { name: "tv".into(), from: "1".into(), to: "2".into() };
        assert_eq!(changed.to_string(), "tv 1 → 2");
        for kind in [old.kind, changed, MarkKind::Branched { run: 2 }] {
            let mark = Mark { step: 5, kind };
            assert_eq!(read(&serde_json::to_string(&mark).expect("JSON")), mark);
        }
    }
}
