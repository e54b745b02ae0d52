//! A technique at work.

use super::{Aim, Params, State};
use crate::error::Result;
use crate::imaging::{Array, HeatMap, Picture};
use serde::{Deserialize, Serialize};

/// How far a job is after a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Updates made so far; the first step looks at the start and makes none.
    pub step: usize,
    /// The updates it will make at most.
    pub total: usize,
    /// Named figures of this step, for curves and `series.csv`.
    pub figures: Vec<(&'static str, f64)>,
    /// The logits of what the step looked at, if it saw any.
    pub logits: Option<Vec<f32>>,
    /// What happened in this step and is worth a mark on the curves.
    pub notes: Vec<String>,
    /// Whether there is nothing left to do.
    pub done: bool,
}

/// What a job has to show between steps.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The photo as the model sees it.
    pub input: Option<Picture>,
    /// The picture made so far.
    pub result: Option<Picture>,
    /// What was added to the input to make the result, magnified around grey.
    pub perturbation: Option<Picture>,
    /// The same raw, `[3, H, W]`, where it is the thing that is looked for.
    pub perturbation_values: Option<Array>,
    /// What was found out about the result, in words: name and value.
    pub findings: Vec<(String, String)>,
    /// The map made so far, raw.
    pub heat: Option<HeatMap>,
    /// The attribution `[3, H, W]` behind the map, where the technique has channels.
    pub attribution: Option<Array>,
    /// The maps of a comparison.
    pub panels: Vec<Panel>,
    /// The rank correlation of each pair of them.
    pub similarity: Vec<Vec<f32>>,
    /// What the metrics found so far, by name.
    pub scores: Vec<(String, f64)>,
}

/// One map among several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// What makes it differ from the others.
    pub title: String,
    /// The map, raw.
    pub heat: HeatMap,
}

/// A technique at work.
pub trait Job: Send {
    /// Does the next step. The first call only looks at the start; each further call makes one update and looks
    /// at its result, so that figures, logits and [`Job::view`] always belong together.
    ///
    /// # Errors
    /// If the computation fails.
    fn step(&mut self) -> Result<Progress>;

    /// Turns to new values of live parameters, checked against their declaration, and to a new aim where the
    /// technique is [steered](Technique::steered).
    ///
    /// # Errors
    /// If the new values do not fit the job; it then goes on with the old ones.
    fn set(&mut self, params: &Params, aim: &Aim) -> Result<()>;

    /// Everything the job needs to go on from here exactly as it would; `None` where it cannot.
    fn save_state(&self) -> Option<State> {
        None
    }

    /// Goes back, or on, to a state saved by a job of the same beginning. Parameters and aim are not part of it.
    ///
    /// # Errors
    /// If the state is not one of such a job.
    fn load_state(&mut self, _state: &State) -> Result<()> {
        Err(State::foreign())
    }

    /// What there is to see.
    ///
    /// # Errors
    /// If the picture cannot be read back from the device.
    fn view(&self) -> Result<View>;

    /// Technique-specific figures for `run.json`.
    fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::new()
    }
}
