//! The loop that everything which makes maps shares: a first look at the photo, then update by update.

use crate::error::Result;
use crate::techniques::api::{Aim, Job, Params, Progress, State, View};
use serde_json::{Map, Value};

/// Something that makes one map or several of one photo.
pub(super) trait MapMaking: Send {
    /// Whether the first step only looks at the photo and leaves the first update to the second.
    fn looks_first(&self) -> bool {
        true
    }

    /// Updates made.
    fn made(&self) -> usize;

    /// The updates it makes at most, as far as is known by now.
    fn total(&self) -> usize;

    /// Whether nothing is left to do.
    fn is_done(&self) -> bool;

    /// The logits of the photo.
    fn logits(&self) -> &[f32];

    /// Makes the next update; the answer is the points of its curves.
    fn update(&mut self) -> Result<Vec<(&'static str, f64)>>;

    /// Takes over what is live of `params`.
    fn set_live(&mut self, params: &Params) -> Result<()>;

    /// What there is to see.
    fn view(&self) -> View;

    /// Figures for `run.json`.
    fn facts(&self) -> Map<String, Value>;

    /// What the updates so far have left; none where it cannot be taken up.
    fn save(&self) -> Option<State>;

    /// Takes that up.
    fn load(&mut self, state: &State) -> Result<()>;
}

/// The making of maps as a job.
pub(super) struct MapJob<M: MapMaking> {
    inner: M,
    /// Whether the next step makes an update.
    looked: bool,
}

impl<M: MapMaking> MapJob<M> {
    pub fn new(inner: M) -> Self {
        let looked = !inner.looks_first();
        Self { inner, looked }
    }
}

impl<M: MapMaking> Job for MapJob<M> {
    fn step(&mut self) -> Result<Progress> {
        let looked = std::mem::replace(&mut self.looked, true);
        let figures = if looked && !self.inner.is_done() { self.inner.update()? } else { vec![] };
        let (step, total, done) = (self.inner.made(), self.inner.total(), self.inner.is_done());
        let logits = (step <= 1).then(|| self.inner.logits().to_vec());
        Ok(Progress { step, total, figures, logits, done, ..Progress::default() })
    }

    fn set(&mut self, params: &Params, _: &Aim) -> Result<()> {
        self.inner.set_live(params)
    }

    fn view(&self) -> Result<View> {
        Ok(self.inner.view())
    }

    fn facts(&self) -> Map<String, Value> {
        self.inner.facts()
    }

    fn save_state(&self) -> Option<State> {
        Some(self.inner.save()?.with_value("looked", self.looked))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.looked = state.value("looked")?;
        self.inner.load(state)
    }
}
