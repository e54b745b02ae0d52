//! An ensemble of attacks that have no step size to be tuned, one after the other until one succeeds.

use super::super::stopping::steps;
use super::apgd::Apgd;
use super::attack::{Attack, Pick, Rule, Targets};
use super::budget::EPSILON_OF_NORM;
use super::criterion::Criterion;
use super::example::{Example, LossAt};
use super::loss::Loss;
use super::norm::{Limit, Norm};
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
    definition: "APGD on cross-entropy, then APGD on the targeted DLR loss for the likeliest other classes (of independent classes on the margin), then (L∞) Square Attack, each from its own start within ε, until the 8-bit picture fools",
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
        ParamSpec::int("targets", [0, 100_000], 9, "classes that the targeted attacks try").fixed(),
        ParamSpec::int("queries", [0, 100_000], 5000, "looks that the Square Attack may take").fixed(),
    ],
    rule: |example, params| {
        let logits = &example.logits;
        let mut order: Vec<usize> = (0..logits.len()).filter(|class| *class != example.criterion.source).collect();
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
    /// How many targeted attacks there are to make: with a target, and where a class decides alone, there is only one
    /// thing to try.
    fn tries(&self, example: &Example) -> usize {
        let one = example.criterion.target.is_some() || example.output.is_independent();
        if one { 1 } else { self.targets.len() }
    }

    /// Whether Square Attack is one of the stages.
    fn has_square(&self, params: &Params) -> bool {
        self.norm == Norm::Linf && params.count("queries") > 0
    }

    /// The stage after the present one.
    fn following(&self, example: &Example, params: &Params) -> Stage {
        let tries = self.tries(example);
        let square = self.has_square(params);
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

    fn begin(&mut self, example: &Example, params: &Params, x: &Tensor) -> Result<Tensor> {
        self.stage = self.following(example, params);
        let epsilon = params.float("epsilon");
        (self.apgd, self.square) = (None, None);
        let apgd = |run: usize| Apgd::start(self.norm, example, epsilon, run);
        match self.stage {
            Stage::CrossEntropy => {
                self.note = Some("APGD on cross-entropy".into());
                self.apgd = Some(Apgd::new(self.norm, epsilon, params.count("steps")));
                apgd(1)
            }
            Stage::Targeted(rank) => {
                self.note = Some(if example.output.is_independent() {
                    "APGD on the margin".into()
                } else {
                    format!("APGD on DLR, target {}", rank + 1)
                });
                self.apgd = Some(Apgd::new(self.norm, epsilon, params.count("steps")));
                apgd(2 + rank)
            }
            Stage::Square => {
                self.note = Some("Square Attack".into());
                self.square = Some(Square::new(params.count("queries")));
                Square::start(example, epsilon)
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

    fn criterion(&self, example: &Example) -> Criterion {
        let own = example.criterion;
        match self.stage {
            Stage::Targeted(rank) if own.target.is_none() && !example.output.is_independent() => {
                Criterion { target: self.targets.get(rank).copied(), ..own }
            }
            _ => own,
        }
    }

    fn pick(&self) -> Pick {
        Pick::First
    }

    fn limit(&self, params: &Params) -> Limit {
        self.norm.limit(params.float("epsilon"))
    }

    fn total(&self, example: &Example, params: &Params) -> usize {
        let square = if self.has_square(params) { params.count("queries").div_ceil(QUERIES) + 1 } else { 0 };
        // One more to find that nothing is left to try.
        (params.count("steps") + 1) * (1 + self.tries(example)) + square + 1
    }

    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let epsilon = params.float("epsilon");
        match (&mut self.apgd, &mut self.square) {
            (Some(apgd), _) if !apgd.is_over() => apgd.next(example, epsilon, x, at),
            (_, Some(square)) if !square.is_over() => square.next(example, epsilon, x, QUERIES),
            _ => self.begin(example, params, x),
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
