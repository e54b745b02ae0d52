//! Projected gradient descent, and the basic iterative method, which is the same without a random start.

use super::super::stopping::{PLATEAU, TARGET_PROBABILITY, steps};
use super::attack::{Attack, Rule, Targets};
use super::budget::{EPSILON, EPSILON_OF_NORM, NORM, RANDOM_START, STEP_SIZE};
use super::example::{Example, LossAt};
use super::norm::{Limit, Norm};
use crate::error::Result;
use crate::optim::{noise, step_rng, unit};
use crate::techniques::api::{Params, State};
use candle_core::Tensor;
use rand::Rng;

/// The start is uniform within ±ε in L∞, and a random direction with a uniform length in L2, as in torchattacks.
pub(super) static PGD: Attack = Attack {
    id: "pgd",
    about: "steps along the gradient's sign or direction, projected back to within ε",
    definition: "x ← Π_ε(x + α·d(∂CE(z, c)/∂x)), d = sign in L∞, g/‖g‖₂ in L2; towards a target: −∂CE(z, t)/∂x; from a random picture within ε unless random_start=false",
    reference: "Madry et al. 2018, arXiv:1706.06083",
    targets: Targets::Optional,
    params: &[NORM, EPSILON_OF_NORM, STEP_SIZE, steps(10), RANDOM_START, PLATEAU, TARGET_PROBABILITY],
    rule: |_, params| {
        let random = params.choice("random_start") == "true";
        Ok(Box::new(Pgd { norm: Norm::of(params), random }))
    },
};

pub(super) static BIM: Attack = Attack {
    id: "bim",
    about: "small steps along the gradient's sign, clipped to within ε: the basic iterative method",
    definition: "x ← clip_ε(x + α·sign(∂CE(z, c)/∂x)); towards a target: −∂CE(z, t)/∂x",
    reference: "Kurakin, Goodfellow & Bengio 2017, arXiv:1607.02533",
    targets: Targets::Optional,
    params: &[EPSILON, STEP_SIZE, steps(10), PLATEAU, TARGET_PROBABILITY],
    rule: |_, _| Ok(Box::new(Pgd { norm: Norm::Linf, random: false })),
};

struct Pgd {
    norm: Norm,
    /// Whether the next update starts from a random picture.
    random: bool,
}

impl Pgd {
    fn start(&self, example: &Example, epsilon: f64) -> Result<Tensor> {
        let mut rng = step_rng(example.seed, 0);
        let shape = example.original.dims();
        let device = example.original.device();
        let change = match self.norm {
            Norm::Linf => {
                let count = example.original.elem_count();
                let values: Vec<f32> = (0..count).map(|_| rng.random_range(-1.0..=1.0)).collect();
                (Tensor::from_vec(values, shape, device)? * epsilon)?
            }
            Norm::L2 => {
                let direction = unit(&noise(&mut rng, shape, device)?)?;
                (direction * (epsilon * rng.random_range(0.0..=1.0)))?
            }
        };
        Ok((&example.original + change)?.clamp(0f32, 1f32)?)
    }
}

impl Rule for Pgd {
    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let epsilon = params.float("epsilon");
        let (x, gradient) = if std::mem::take(&mut self.random) {
            let x = self.start(example, epsilon)?;
            let gradient = example.loss_at(&x, self.loss())?.gradient;
            (x, gradient)
        } else {
            (x.clone(), at.gradient.clone())
        };
        let moved = (x + (self.norm.direction(&gradient)? * params.float("step_size"))?)?;
        self.norm.project(&moved, &example.original, epsilon)
    }

    fn limit(&self, params: &Params) -> Limit {
        self.norm.limit(params.float("epsilon"))
    }

    fn save(&self) -> State {
        State::default().with_value("random", self.random)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.random = state.value("random")?;
        Ok(())
    }
}
