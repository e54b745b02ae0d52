//! When an optimisation has done enough, or has gone wrong.

use crate::error::{Error, Result};
use crate::techniques::api::{ParamSpec, Params};
use serde::{Deserialize, Serialize};

/// An objective has moved if it is better by this share of its size.
const MOVED: f64 = 1e-3;
/// Weight of the past in the smoothed objective: random transformations make it jump.
const SMOOTHING: f64 = 0.9;
/// A loss this many times that of the start is lost at once,
const LOST: f64 = 20.0;
/// and one this many times it for [`PATIENCE`] steps as well.
const WORSE: f64 = 3.0;
const PATIENCE: usize = 8;
/// As many times the smallest so far it may be for longer: Adam leaps now and then, far into a run, and comes back.
const COMES_BACK: usize = 250;

/// A loss that had become more than this many times smaller counts as one that had become this many times smaller.
const MOST_FALLEN: f64 = 100.0;

/// How many updates.
pub(super) const fn steps(default: i64) -> ParamSpec {
    ParamSpec::int("steps", [1, 100_000], default, "stop after so many updates").in_unit("steps")
}

/// When to stop for want of improvement.
pub(super) const PLATEAU: ParamSpec =
    ParamSpec::int("plateau", [0, 100_000], 0, "stop after so many updates without improvement; 0 never does")
        .in_unit("steps");

/// At which probability to stop.
pub(super) const TARGET_PROBABILITY: ParamSpec = ParamSpec::float(
    "target_probability",
    [0.0, 1.0],
    0.0,
    "stop when the class shown or aimed at has this probability; 0 never does",
);

/// Why a run ends before its last update.
pub(super) fn early(params: &Params, step: usize, watch: &Watch, probability: Option<f32>) -> Option<&'static str> {
    let wanted = |name: &str| params.get(name).is_some();
    if wanted("plateau") && watch.is_flat(params, step) {
        return Some("plateau");
    }
    if let Some(p) = probability.filter(|_| wanted("target_probability")) {
        let enough = params.float("target_probability");
        if enough > 0.0 && f64::from(p) >= enough {
            return Some("target probability");
        }
    }
    None
}

/// Follows an objective that is to become small.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    smoothed: Option<f64>,
    best: Option<(f64, usize)>,
    first: Option<f64>,
    /// How many times smaller it had become before it was begun anew. The start of the new objective is not known, and
    /// beside a loss that has converged already every leap of Adam's would look like the end.
    #[serde(default)]
    fallen: f64,
    lowest: Option<(f64, usize)>,
    /// Steps in a row that were much worse than the start, and than the best.
    worse: [usize; 2],
}

impl Watch {
    /// Takes the objective after an update.
    pub fn see(&mut self, step: usize, objective: f64) {
        let smoothed = self.smoothed.map_or(objective, |s| SMOOTHING * s + (1.0 - SMOOTHING) * objective);
        self.smoothed = Some(smoothed);
        if self.best.is_none_or(|(best, _)| smoothed < best - MOVED * best.abs()) {
            self.best = Some((smoothed, step));
        }
    }

    /// Takes a loss, which is never negative, after an update.
    ///
    /// # Errors
    /// [`Error::Diverged`] if it has grown out of hand.
    pub fn see_loss(&mut self, step: usize, loss: f64) -> Result<()> {
        self.see(step, loss);
        let first = self.first.get_or_insert(loss * self.fallen.max(1.0)).max(1e-9);
        let (lowest, at) = *self.lowest.get_or_insert((loss, step));
        for (worse, than) in self.worse.iter_mut().zip([first, lowest.max(1e-9)]) {
            *worse = if loss > WORSE * than { *worse + 1 } else { 0 };
        }
        let lost = loss > LOST * first || self.worse[0] >= PATIENCE || self.worse[1] >= COMES_BACK;
        if lost || !loss.is_finite() {
            return Err(Error::Diverged { what: "the loss has grown out of hand".into(), step, good: Some(at) });
        }
        if loss < lowest {
            self.lowest = Some((loss, step));
        }
        Ok(())
    }

    /// Begins anew: the objective is another one from here on.
    pub fn forget(&mut self) {
        let fallen = match (self.first, self.smoothed) {
            (Some(first), Some(now)) if now > 0.0 => (first / now).min(MOST_FALLEN),
            _ => self.fallen,
        };
        *self = Self { fallen, ..Self::default() };
    }

    /// Whether the objective has not improved for as many updates as `plateau` says.
    pub fn is_flat(&self, params: &Params, step: usize) -> bool {
        let patience = params.count("plateau");
        patience > 0 && self.since_improvement(step) >= patience
    }

    /// Updates since it was last better than ever before.
    fn since_improvement(&self, step: usize) -> usize {
        self.best.map_or(0, |(_, at)| step.saturating_sub(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_objective_is_a_plateau_and_a_falling_one_is_not() {
        let mut watch = Watch::default();
        for step in 0..50 {
            watch.see(step, 1.0 / (1.0 + step as f64));
        }
        assert!(watch.since_improvement(49) <= 1);
        for step in 50..150 {
            watch.see(step, 0.02);
        }
        assert!(watch.since_improvement(149) > 20, "{}", watch.since_improvement(149));
    }

    #[test]
    fn growth_is_noticed_and_its_best_step_named() {
        let mut watch = Watch::default();
        for (step, loss) in [10.0, 8.0, 7.0, 9.0, 12.0].into_iter().enumerate() {
            watch.see_loss(step, loss).expect("noise");
        }
        let error = watch.see_loss(5, 10.0 * 21.0).expect_err("lost");
        assert!(matches!(error, Error::Diverged { good: Some(2), .. }), "{error}");
        let mut slow = Watch::default();
        slow.see_loss(0, 1.0).expect("the start");
        let outcome = (1..=PATIENCE).map(|step| slow.see_loss(step, 4.0)).collect::<Result<Vec<_>>>();
        assert!(outcome.is_err());
        assert!(slow.see_loss(9, f64::NAN).is_err());
        let mut leaping = Watch::default();
        for (step, loss) in [20.0, 0.8, 16.0, 12.0, 0.9].into_iter().enumerate() {
            leaping.see_loss(step, loss).expect("a leap");
        }
        let mut changed = Watch::default();
        for (step, loss) in std::iter::once(20.0).chain([1.0; 60]).enumerate() {
            changed.see_loss(step, loss).expect("falling");
        }
        changed.forget();
        for (step, loss) in std::iter::once(2.0).chain([7.0; 2 * PATIENCE]).enumerate() {
            changed.see_loss(step, loss).expect("a leap after a change of weights");
        }
        assert!(changed.see_loss(99, 1e3).is_err());
        assert!((0..=COMES_BACK).any(|step| leaping.see_loss(step, 10.0).is_err()), "it does not come back");
    }
}
