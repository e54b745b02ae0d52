//! Auto-PGD: projected ascent with momentum that finds its step size by itself (Croce & Hein 2020, algorithm 1).

use super::example::{Example, LossAt};
use super::norm::Norm;
use crate::error::Result;
use crate::optim::{noise, step_rng};
use crate::techniques::api::State;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// α, the share of the new step against the momentum.
const STEP_SHARE: f64 = 0.75;
/// ρ, the share of updates between two checkpoints that have to raise the loss.
const ENOUGH: f64 = 0.75;

/// One run of `steps` updates.
pub(super) struct Apgd {
    norm: Norm,
    before: Option<Tensor>,
    best: Option<Tensor>,
    best_gradient: Option<Tensor>,
    schedule: StepSchedule,
}

#[derive(Clone, Serialize, Deserialize)]
struct StepSchedule {
    steps: usize,
    made: usize,
    step_size: f64,
    best: f64,
    last: f64,
    /// Updates since the last checkpoint that raised the loss.
    raised: usize,
    checkpoint: usize,
    /// Updates from the last checkpoint to the next.
    stretch: usize,
    best_at_checkpoint: f64,
    halved: bool,
}

impl Apgd {
    pub fn new(norm: Norm, epsilon: f64, steps: usize) -> Self {
        let stretch = share(steps, 0.22);
        let schedule = StepSchedule {
            steps,
            made: 0,
            step_size: 2.0 * epsilon,
            best: f64::MIN,
            last: f64::MIN,
            raised: 0,
            checkpoint: stretch,
            stretch,
            best_at_checkpoint: f64::MIN,
            halved: true,
        };
        Self { norm, before: None, best: None, best_gradient: None, schedule }
    }

    /// A random picture at distance ε.
    pub fn start(norm: Norm, example: &Example, epsilon: f64, run: usize) -> Result<Tensor> {
        let grain = noise(&mut step_rng(example.seed, run), example.original.dims(), example.original.device())?;
        let direction = match norm {
            Norm::Linf => {
                let largest = f64::from(grain.abs()?.max_all()?.to_scalar::<f32>()?).max(1e-12);
                (grain / largest)?
            }
            Norm::L2 => norm.direction(&grain)?,
        };
        norm.project(&(&example.original + (direction * epsilon)?)?, &example.original, epsilon)
    }

    pub fn is_over(&self) -> bool {
        self.schedule.made >= self.schedule.steps
    }

    /// The next picture.
    pub fn next(&mut self, example: &Example, epsilon: f64, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let schedule = &mut self.schedule;
        if schedule.made > 0 && at.value > schedule.last {
            schedule.raised += 1;
        }
        schedule.last = at.value;
        if at.value > schedule.best {
            schedule.best = at.value;
            (self.best, self.best_gradient) = (Some(x.clone()), Some(at.gradient.clone()));
        }
        let (mut x, mut gradient) = (x.clone(), at.gradient.clone());
        if schedule.made >= schedule.checkpoint {
            let few = (schedule.raised as f64) < ENOUGH * schedule.stretch as f64;
            let stuck = !schedule.halved && schedule.best <= schedule.best_at_checkpoint;
            schedule.halved = few || stuck;
            if schedule.halved {
                schedule.step_size /= 2.0;
                if let (Some(best), Some(best_gradient)) = (&self.best, &self.best_gradient) {
                    (x, gradient) = (best.clone(), best_gradient.clone());
                }
            }
            schedule.stretch =
                schedule.stretch.saturating_sub(share(schedule.steps, 0.03)).max(share(schedule.steps, 0.06));
            schedule.checkpoint += schedule.stretch;
            schedule.best_at_checkpoint = schedule.best;
            schedule.raised = 0;
        }
        schedule.made += 1;
        let step = (self.norm.direction(&gradient)? * schedule.step_size)?;
        let straight = self.norm.project(&(&x + step)?, &example.original, epsilon)?;
        let next = match &self.before {
            Some(before) => {
                let momentum = ((&x - before)? * (1.0 - STEP_SHARE))?;
                let mixed = ((&x + ((straight - &x)? * STEP_SHARE)?)? + momentum)?;
                self.norm.project(&mixed, &example.original, epsilon)?
            }
            None => straight,
        };
        self.before = Some(x);
        Ok(next)
    }

    pub fn save(&self) -> State {
        let state = State::default().with_some("before", self.before.as_ref()).with_some("best", self.best.as_ref());
        state.with_some("best_gradient", self.best_gradient.as_ref()).with_value("schedule", &self.schedule)
    }

    pub fn load(norm: Norm, state: &State) -> Result<Self> {
        let tensor = |name| state.tensors.get(name).cloned();
        Ok(Self {
            norm,
            before: tensor("before"),
            best: tensor("best"),
            best_gradient: tensor("best_gradient"),
            schedule: state.value("schedule")?,
        })
    }
}

/// A share of the updates, at least one.
fn share(steps: usize, share: f64) -> usize {
    ((steps as f64 * share).ceil() as usize).max(1)
}
