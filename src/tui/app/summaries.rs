//! What is said of the runs after quitting.

use crate::engine::Snapshot;
use std::path::PathBuf;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The run's number.
    pub run: u64,
    /// The technique's id.
    pub technique: String,
    /// How it ended, in a word.
    pub ended: &'static str,
    /// Updates it made.
    pub steps: usize,
    /// The last value of each curve.
    pub figures: Vec<(String, f64)>,
    /// Where its files are.
    pub saved: Option<PathBuf>,
}

/// The runs so far.
#[derive(Default)]
pub(super) struct Summaries(Vec<RunSummary>);

impl Summaries {
    /// In the order in which they ended.
    pub fn all(&self) -> &[RunSummary] {
        &self.0
    }

    /// A run ended; its curves are those of the engine's newest snapshot, if that is of this run.
    pub fn ended(&mut self, run: u64, steps: usize, how: &'static str, newest: &Snapshot) {
        if let Some(summary) = self.of(run, how, newest) {
            (summary.steps, summary.ended) = (steps, how);
        }
    }

    /// A run's files were written.
    pub fn saved(&mut self, run: u64, folder: PathBuf, newest: &Snapshot) {
        if let Some(summary) = self.of(run, "saved", newest) {
            (summary.steps, summary.saved) = (newest.course.step, Some(folder));
        }
    }

    /// The summary of a run, with the newest curves.
    fn of(&mut self, run: u64, ended: &'static str, newest: &Snapshot) -> Option<&mut RunSummary> {
        let mine = newest.run == run;
        let at = match self.0.iter().position(|s| s.run == run) {
            Some(at) => at,
            None if mine => {
                let technique = newest.technique.clone();
                self.0.push(RunSummary {
                    run,
                    technique,
                    ended,
                    steps: newest.course.step,
                    figures: vec![],
                    saved: None,
                });
                self.0.len() - 1
            }
            None => return None,
        };
        let summary = &mut self.0[at];
        let figures = newest.course.figures().filter(|_| mine).map(|(name, value)| (name.to_owned(), value));
        let figures: Vec<(String, f64)> = figures.collect();
        if !figures.is_empty() {
            summary.figures = figures;
        }
        Some(summary)
    }
}
