//! The loop that all optimisations share: look, move, look again, until enough has been done.

use super::stopping::{Watch, early};
use crate::error::Result;
use crate::techniques::api::{Aim, Job, Params, Progress, State, View};
use candle_core::Tensor;
use serde_json::{Map, Value};

/// Something that is moved towards an objective, update by update.
pub(super) trait Optimisation: Send {
    /// What a look leaves for the next update.
    type Seen: Seen;

    /// Whether the objective is a loss, which is never negative and may not grow out of hand.
    const IS_LOSS: bool = false;

    /// The parameters as they are now.
    fn params(&self) -> &Params;

    /// The updates it makes at most.
    fn total(&self) -> usize {
        self.params().count("steps")
    }

    /// Looks at where it is.
    fn look(&mut self, iteration: &Iteration) -> Result<Look<Self::Seen>>;

    /// Makes the update that `iteration` has just counted; the answer is what happened in it and is worth a mark.
    fn update(&mut self, seen: Self::Seen, iteration: &mut Iteration) -> Result<Vec<String>>;

    /// Why it ends after this look, if it does.
    fn verdict(&mut self, iteration: &Iteration, look: &Look<Self::Seen>) -> Option<&'static str> {
        if iteration.step >= self.total() {
            Some("steps")
        } else {
            early(self.params(), iteration.step, &iteration.watch, look.probability)
        }
    }

    /// Takes leave, after the last look.
    fn finish(&mut self, _look: &mut Look<Self::Seen>) -> Result<()> {
        Ok(())
    }

    /// Turns to new parameters and a new aim; `seen` is what the next update will have, if there was a look.
    fn set(
        &mut self,
        params: &Params,
        aim: &Aim,
        iteration: &mut Iteration,
        seen: &mut Option<Self::Seen>,
    ) -> Result<()>;

    /// What there is to see.
    fn view(&self) -> Result<View>;

    /// Figures for `run.json`.
    fn facts(&self) -> Map<String, Value>;

    /// What it is between two updates, without what was seen.
    fn save(&self) -> State;

    /// Goes back to that.
    fn load(&mut self, state: &State) -> Result<()>;
}

/// What a look found.
pub(super) struct Look<S> {
    /// What the next update needs.
    pub seen: S,
    /// The objective, which is to become small.
    pub objective: f64,
    pub figures: Vec<(&'static str, f64)>,
    pub logits: Option<Vec<f32>>,
    /// The probability of the class shown or aimed at.
    pub probability: Option<f32>,
    /// What was noticed and is worth a mark.
    pub notes: Vec<String>,
}

/// What was seen, as part of a saved state.
pub(super) trait Seen: Send + Sized {
    fn save(&self, state: State) -> State;
    /// None if nothing had been looked at.
    fn load(state: &State) -> Result<Option<Self>>;
}

/// A gradient.
impl Seen for Tensor {
    fn save(&self, state: State) -> State {
        state.with("gradient", self)
    }

    fn load(state: &State) -> Result<Option<Self>> {
        Ok(state.tensors.get("gradient").cloned())
    }
}

/// How far an optimisation is.
#[derive(Default)]
pub(super) struct Iteration {
    /// Updates made.
    pub step: usize,
    pub watch: Watch,
}

/// An optimisation as a job.
pub(super) struct OptimisationJob<O: Optimisation> {
    inner: O,
    seen: Option<O::Seen>,
    iteration: Iteration,
    stopped: Option<&'static str>,
}

impl<O: Optimisation> OptimisationJob<O> {
    pub fn new(inner: O) -> Self {
        Self { inner, seen: None, iteration: Iteration::default(), stopped: None }
    }
}

impl<O: Optimisation> Job for OptimisationJob<O> {
    fn step(&mut self) -> Result<Progress> {
        let Self { inner, seen, iteration, stopped } = self;
        let mut notes = vec![];
        if let Some(seen) = seen.take() {
            iteration.step += 1;
            notes = inner.update(seen, iteration)?;
        }
        let mut look = inner.look(iteration)?;
        if O::IS_LOSS {
            iteration.watch.see_loss(iteration.step, look.objective)?;
        } else {
            iteration.watch.see(iteration.step, look.objective);
        }
        *stopped = inner.verdict(iteration, &look);
        if stopped.is_some() {
            inner.finish(&mut look)?;
        }
        notes.append(&mut look.notes);
        *seen = Some(look.seen);
        Ok(Progress {
            step: iteration.step,
            total: inner.total(),
            figures: look.figures,
            logits: look.logits,
            notes,
            done: stopped.is_some(),
        })
    }

    fn set(&mut self, params: &Params, aim: &Aim) -> Result<()> {
        self.inner.set(params, aim, &mut self.iteration, &mut self.seen)
    }

    fn view(&self) -> Result<View> {
        self.inner.view()
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = self.inner.facts();
        facts.insert("stopped_by".into(), self.stopped.into());
        facts
    }

    fn save_state(&self) -> Option<State> {
        let state =
            self.inner.save().with_value("step", self.iteration.step).with_value("watch", &self.iteration.watch);
        Some(match &self.seen {
            Some(seen) => seen.save(state),
            None => state,
        })
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.inner.load(state)?;
        self.iteration = Iteration { step: state.value("step")?, watch: state.value("watch")? };
        self.seen = O::Seen::load(state)?;
        Ok(())
    }
}
