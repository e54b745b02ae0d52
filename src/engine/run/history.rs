//! What a run looked like and where its job stood, from its first step to the last, in bounded memory.

use crate::imaging::Picture;
use crate::model::Prediction;
use crate::techniques::State;
use std::sync::Arc;

/// What may be kept of a run: so many, and so many bytes. The count keeps the memory of a long run flat from early on.
#[derive(Debug, Clone, Copy)]
struct Budget {
    count: usize,
    bytes: usize,
}

const PICTURES: Budget = Budget { count: 128, bytes: 32 << 20 };
const STATES: Budget = Budget { count: 32, bytes: 48 << 20 };

/// A picture on the way.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Frame {
    /// Updates made when it was there.
    pub step: usize,
    pub picture: Picture,
    /// What it was taken for.
    pub top: Vec<Prediction>,
}

/// Things by step, evenly spread: when they outgrow their budget every other one goes, and from then on only every
/// other one comes.
#[derive(Debug, Clone)]
struct Spread<T> {
    kept: Vec<(usize, T)>,
    every: usize,
    bytes: usize,
    budget: Budget,
}

impl<T> Spread<T> {
    fn new(budget: Budget) -> Self {
        Self { kept: vec![], every: 1, bytes: 0, budget }
    }

    fn wants(&self, step: usize) -> bool {
        step.is_multiple_of(self.every) && self.kept.last().is_none_or(|(last, _)| *last < step)
    }

    fn keep(&mut self, step: usize, size: usize, item: T) {
        self.kept.push((step, item));
        self.bytes += size;
        while (self.bytes > self.budget.bytes && self.kept.len() > 2) || self.kept.len() > self.budget.count {
            let before = self.kept.len();
            self.every *= 2;
            let every = self.every;
            self.kept.retain(|(step, _)| step.is_multiple_of(every));
            self.bytes = self.bytes / before * self.kept.len();
        }
    }

    fn up_to(mut self, step: usize) -> Self {
        let before = self.kept.len().max(1);
        self.kept.retain(|(s, _)| *s <= step);
        self.bytes = self.bytes / before * self.kept.len();
        self
    }

    fn at(&self, step: usize) -> Option<&(usize, T)> {
        self.kept.iter().rev().find(|(s, _)| *s <= step)
    }
}

/// The history of one run.
#[derive(Debug, Clone)]
pub(in crate::engine) struct History {
    frames: Spread<Frame>,
    states: Spread<State>,
    steps: Arc<[usize]>,
}

impl Default for History {
    fn default() -> Self {
        Self { frames: Spread::new(PICTURES), states: Spread::new(STATES), steps: [].into() }
    }
}

impl History {
    /// Keeps the picture of a step, and the job's state if it is due.
    pub fn note(&mut self, frame: Frame, state: impl FnOnce() -> Option<State>) {
        let step = frame.step;
        if self.frames.wants(step) {
            self.frames.keep(step, frame.picture.rgb.len(), frame);
            self.steps = self.frames.kept.iter().map(|(step, _)| *step).collect();
        }
        if self.states.wants(step)
            && let Some(state) = state()
        {
            self.states.keep(step, state.bytes(), state);
        }
    }

    /// Keeps a job's state whether or not it is due.
    pub fn keep_state(&mut self, step: usize, state: State) {
        if self.states.kept.last().is_none_or(|(last, _)| *last < step) {
            self.states.keep(step, state.bytes(), state);
        }
    }

    /// The steps whose pictures are kept, in order.
    pub fn steps(&self) -> Arc<[usize]> {
        self.steps.clone()
    }

    /// The pictures that are kept, in order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &Frame> {
        self.frames.kept.iter().map(|(_, frame)| frame)
    }

    /// The last picture that was kept up to a step.
    pub fn frame(&self, step: usize) -> Option<&Frame> {
        self.frames.at(step).map(|(_, frame)| frame)
    }

    /// The last state that was kept up to a step, and its step.
    pub fn state(&self, step: usize) -> Option<(usize, &State)> {
        self.states.at(step).map(|(step, state)| (*step, state))
    }

    /// The same up to a step: what a branch has in common with its run.
    pub fn up_to(&self, step: usize) -> Self {
        let frames = self.frames.clone().up_to(step);
        let steps = frames.kept.iter().map(|(step, _)| *step).collect();
        Self { frames, states: self.states.clone().up_to(step), steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_whole_run_stays_in_reach() {
        stays_in_reach(Budget { count: 1000, bytes: 1000 });
        stays_in_reach(Budget { count: 100, bytes: usize::MAX });
    }

    fn stays_in_reach(budget: Budget) {
        let mut spread = Spread::new(budget);
        for step in 0..5000 {
            if spread.wants(step) {
                spread.keep(step, 10, step);
            }
            assert!(spread.kept.len() <= 100);
            let (nearest, _) = spread.at(step).expect("something is kept");
            assert!(step - nearest < spread.every);
        }
        assert!(spread.kept.len() > 40, "{} are kept", spread.kept.len());
        assert_eq!(spread.kept[0].0, 0);
        assert!(spread.up_to(1000).kept.iter().all(|(s, _)| *s <= 1000));
    }
}
