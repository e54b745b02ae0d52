//! An ensemble of attacks that have no step size to be tuned, one after the other until one succeeds.

use super::super::stopping::steps;
use super::apgd::Apgd;
use super::attack::{Attack, Keep, Rule, Targets};
use super::budget::EPSILON_OF_NORM;
use super::scene::{Goal, Limit, Loss, Norm, Scene, Sight};
use super::square::Square;
use crate::error::Result;
use crate::techniques::api::{ParamSpec, Params, Preset, State};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// Looks of the Square Attack in one update.
const QUERIES: usize = 10;

/// AutoAttack without its FAB attack; Square Attack only in L∞.
pub(super) static AUTO: Attack = Attack {
    id: "auto",
    about: "an ensemble without step sizes to tune: the honest measure of robustness",
    definition: "APGD on cross-entropy, then APGD on the targeted DLR loss for the likeliest other classes, then (L∞) Square Attack, each from its own start within ε, until the 8-bit picture fools",
    reference: "Croce & Hein 2020, arXiv:2003.01690 (AutoAttack, here without FAB); Andriushchenko et al. 2020, arXiv:1912.00049",
    targets: Targets::Optional,
    params: &[
        ParamSpec::preset(
            "norm",
            &[
                Preset { id: "linf", about: "no value changes by more than ε", values: &[] },
                Preset { id: "l2", about: "the change is no longer than ε", values: &[("epsilon", "1")] },
            ],
            "the norm that ε is measured in; it sets a usual one",
        ),
        EPSILON_OF_NORM,
        steps(100),
        ParamSpec::int("targets", [0, 999], 9, "classes that the targeted attacks try").fixed(),
        ParamSpec::int("queries", [0, 100_000], 5000, "looks that the Square Attack may take").fixed(),
    ],
    rule: |scene, params| {
        let logits = scene.logits(&scene.original)?;
        let mut order: Vec<usize> = (0..logits.len()).filter(|class| *class != scene.goal.source).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        order.truncate(params.count("targets"));
        Ok(Box::new(Ensemble {
            norm: Norm::of(params),
            stage: Stage::Before,
            targets: order,
            apgd: None,
            square: None,
            note: None,
        }))
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Before,
    CrossEntropy,
    /// The targeted attack on the class of this rank.
    Targeted(usize),
    Square,
    Done,
}

struct Ensemble {
    norm: Norm,
    stage: Stage,
    /// The classes that are tried, the likeliest first.
    targets: Vec<usize>,
    apgd: Option<Apgd>,
    square: Option<Square>,
    note: Option<String>,
}

impl Ensemble {
    /// The stage after the present one.
    fn following(&self, scene: &Scene, params: &Params) -> Stage {
        // With a target there is only one class to try.
        let tries = if scene.goal.target.is_some() { 1 } else { self.targets.len() };
        let square = self.norm == Norm::Linf && params.count("queries") > 0;
        let then = |rank: usize| match (rank < tries, square) {
            (true, _) => Stage::Targeted(rank),
            (false, true) => Stage::Square,
            (false, false) => Stage::Done,
        };
        match self.stage {
            Stage::Before => Stage::CrossEntropy,
            Stage::CrossEntropy => then(0),
            Stage::Targeted(rank) => then(rank + 1),
            Stage::Square | Stage::Done => Stage::Done,
        }
    }

    fn begin(&mut self, scene: &Scene, params: &Params, x: &Tensor) -> Result<Tensor> {
        self.stage = self.following(scene, params);
        let epsilon = params.float("epsilon");
        (self.apgd, self.square) = (None, None);
        let apgd = |run: usize| Apgd::start(self.norm, scene, epsilon, run);
        match self.stage {
            Stage::CrossEntropy => {
                self.note = Some("APGD on cross-entropy".into());
                self.apgd = Some(Apgd::new(self.norm, epsilon, params.count("steps")));
                apgd(1)
            }
            Stage::Targeted(rank) => {
                self.note = Some(format!("APGD on DLR, target {}", rank + 1));
                self.apgd = Some(Apgd::new(self.norm, epsilon, params.count("steps")));
                apgd(2 + rank)
            }
            Stage::Square => {
                self.note = Some("Square Attack".into());
                self.square = Some(Square::new(params.count("queries")));
                Square::start(scene, epsilon)
            }
            Stage::Before | Stage::Done => Ok(x.clone()),
        }
    }
}

impl Rule for Ensemble {
    fn loss(&self) -> Loss {
        match self.stage {
            Stage::Targeted(_) => Loss::Dlr,
            Stage::Square => Loss::Margin,
            _ => Loss::CrossEntropy,
        }
    }

    fn goal(&self, scene: &Scene) -> Goal {
        match (self.stage, scene.goal.target) {
            (Stage::Targeted(rank), None) => Goal { target: self.targets.get(rank).copied(), ..scene.goal },
            _ => scene.goal,
        }
    }

    fn keep(&self) -> Keep {
        Keep::First
    }

    fn limit(&self, params: &Params) -> Limit {
        self.norm.limit(params.float("epsilon"))
    }

    fn total(&self, params: &Params) -> usize {
        let square = if self.norm == Norm::Linf { params.count("queries").div_ceil(QUERIES) + 1 } else { 0 };
        // One more to find that nothing is left to try.
        (params.count("steps") + 1) * (1 + self.targets.len()) + square + 1
    }

    fn next(&mut self, scene: &Scene, params: &Params, x: &Tensor, seen: &Sight) -> Result<Tensor> {
        let epsilon = params.float("epsilon");
        match (&mut self.apgd, &mut self.square) {
            (Some(apgd), _) if !apgd.is_over() => apgd.next(scene, epsilon, x, seen),
            (_, Some(square)) if !square.is_over() => square.next(scene, epsilon, x, QUERIES),
            _ => self.begin(scene, params, x),
        }
    }

    fn is_finished(&self) -> bool {
        self.stage == Stage::Done
    }

    fn note(&mut self) -> Option<String> {
        self.note.take()
    }

    fn save(&self) -> State {
        let mut state = State::default().with_value("stage", self.stage);
        if let Some(apgd) = &self.apgd {
            state = state.and(apgd.save().under("apgd"));
        }
        if let Some(square) = &self.square {
            state = state.and(square.save().under("square"));
        }
        state
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.stage = state.value("stage")?;
        let apgd = matches!(self.stage, Stage::CrossEntropy | Stage::Targeted(_));
        self.apgd = if apgd { Some(Apgd::load(self.norm, &state.part("apgd"))?) } else { None };
        self.square = if self.stage == Stage::Square { Some(Square::load(&state.part("square"))?) } else { None };
        Ok(())
    }
}
