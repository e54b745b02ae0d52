//! Momentum iterative FGSM.

use super::super::stopping::{PLATEAU, TARGET_PROBABILITY, steps};
use super::attack::{Attack, Rule, Targets};
use super::budget::{EPSILON, STEP_SIZE};
use super::example::{Example, LossAt};
use super::norm::{Limit, Norm};
use crate::error::Result;
use crate::techniques::api::{ParamSpec, Params, State};
use candle_core::Tensor;

pub(super) static MI_FGSM: Attack = Attack {
    id: "mi-fgsm",
    about: "steps along the sign of the gradient's running sum, which carries over to other networks better",
    definition: "m ← μ·m + g/mean|g|, x ← clip_ε(x + α·sign(m)), g = ∂CE(z, c)/∂x or −∂CE(z, t)/∂x",
    reference: "Dong et al. 2018, arXiv:1710.06081; mean in place of ‖g‖₁ as in torchattacks, which changes nothing but m's unit",
    targets: Targets::Optional,
    params: &[
        EPSILON,
        STEP_SIZE,
        ParamSpec::float("momentum", [0.0, 10.0], 1.0, "μ, how much of the gradients before goes on counting"),
        steps(10),
        PLATEAU,
        TARGET_PROBABILITY,
    ],
    rule: |_, _| Ok(Box::new(MiFgsm { momentum: None })),
};

struct MiFgsm {
    momentum: Option<Tensor>,
}

impl Rule for MiFgsm {
    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let mean = f64::from(at.gradient.abs()?.mean_all()?.to_scalar::<f32>()?).max(1e-30);
        let gradient = (&at.gradient / mean)?;
        let momentum = match self.momentum.take() {
            Some(before) => ((before * params.float("momentum"))? + gradient)?,
            None => gradient,
        };
        let moved = (x + (momentum.sign()? * params.float("step_size"))?)?;
        self.momentum = Some(momentum);
        Norm::Linf.project(&moved, &example.original, params.float("epsilon"))
    }

    fn limit(&self, params: &Params) -> Limit {
        Limit::Linf(params.float("epsilon"))
    }

    fn save(&self) -> State {
        State::default().with_some("momentum", self.momentum.as_ref())
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.momentum = state.tensors.get("momentum").cloned();
        Ok(())
    }
}
