//! A technique at work.

use super::{Aim, Params, State};
use crate::error::Result;
use crate::imaging::{Array, HeatMap, Picture};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;

/// How far a job is after a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Updates made so far; the first step looks at the start and makes none, unless there is only one to make.
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

/// What a job has to show between steps: its artefacts. Each is declared here, and in [`View::artefacts`] where it is a
/// picture, a map or an array; from there it goes onto the screen, over a line and into files.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct View {
    /// The photo as the model sees it.
    pub input: Option<Picture>,
    /// Whether that is what the model's own rule of resizing makes of the photo, and not the whole of it.
    pub cropped: bool,
    /// The picture made so far.
    pub result: Option<Picture>,
    /// What was added to the input to make the result, magnified around grey.
    pub perturbation: Option<Picture>,
    /// The same raw, `[C, H, W]`, where it is the thing that is looked for.
    #[serde(skip)]
    pub perturbation_values: Option<Array>,
    /// What was found out about the result.
    pub findings: Vec<Finding>,
    /// The map made so far, raw.
    pub heat: Option<HeatMap>,
    /// The attribution `[C, H, W]` behind the map, where the technique has channels.
    #[serde(skip)]
    pub attribution: Option<Array>,
    /// The maps of a comparison.
    pub panels: Vec<Panel>,
    /// The rank correlation of each pair of them; none where one of the two is the same everywhere.
    pub similarity: Vec<Vec<Option<f32>>>,
    /// What the metrics found so far, by name.
    pub scores: Vec<(String, f64)>,
}

/// Something that was found out about a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: `L2`, `JPEG 90`.
    pub name: String,
    /// What was found, in words.
    pub value: String,
    /// Whether that is what the technique is for; none where it is neither good nor bad.
    pub success: Option<bool>,
}

impl Finding {
    /// A finding that is neither good nor bad.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into(), success: None }
    }
}

/// A picture, a map or an array of a [`View`].
#[derive(Debug)]
pub enum Artefact<'a> {
    /// A picture.
    Picture(&'a mut Picture),
    /// A map, raw.
    Map(&'a mut HeatMap),
    /// Numbers that are saved and not shown.
    Array(&'a mut Array),
}

/// Characters of a panel's title that its file is called by: names of files end at 255 bytes.
const LONGEST_TITLE: usize = 60;

impl View {
    /// Every artefact that is there and has values, with the name of its file without its ending; of the input, which has
    /// no file, without one.
    pub fn artefacts(&mut self) -> impl Iterator<Item = (Option<Cow<'static, str>>, Artefact<'_>)> {
        let own = |name: &'static str| Some(Cow::Borrowed(name));
        // Each field by name: what is new here has to be one or none.
        let Self {
            input,
            result,
            perturbation,
            perturbation_values,
            heat,
            attribution,
            panels,
            cropped: _,
            findings: _,
            similarity: _,
            scores: _,
        } = self;
        let input = input.iter_mut().map(|p| (None, Artefact::Picture(p)));
        let result = result.iter_mut().map(move |p| (own("result"), Artefact::Picture(p)));
        let map = heat.iter_mut().map(move |h| (own("map"), Artefact::Map(h)));
        let mut taken = HashSet::new();
        let panels = panels.iter_mut().map(move |p| {
            let title = p.title.replace(" · ", "-").replace(['/', ' '], "_");
            let title: String = title.chars().take(LONGEST_TITLE).collect();
            let numbered = (2..).map(|n| format!("map-{title}-{n}"));
            let free =
                std::iter::once(format!("map-{title}")).chain(numbered).find(|name| taken.insert(name.clone()));
            (free.map(Cow::Owned), Artefact::Map(&mut p.heat))
        });
        let picture = perturbation.iter_mut().map(move |p| (own("perturbation"), Artefact::Picture(p)));
        let values = perturbation_values.iter_mut().map(move |a| (own("perturbation"), Artefact::Array(a)));
        let attribution = attribution.iter_mut().map(move |a| (own("attribution"), Artefact::Array(a)));
        input.chain(result).chain(map).chain(panels).chain(picture).chain(values).chain(attribution)
    }
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
    /// Does the next step. The first call only looks at the start, or makes the one update of a job that is done in one;
    /// each further call makes one update and looks at its result, so that figures, logits and [`Job::view`] always belong together.
    ///
    /// # Errors
    /// If the computation fails.
    fn step(&mut self) -> Result<Progress>;

    /// Turns to new values of live parameters, checked against their declaration, and to a new aim where the
    /// technique is [steered](super::Technique::steered).
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
