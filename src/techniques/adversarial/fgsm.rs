//! The fast gradient sign method.

use super::attack::{Attack, Rule, Targets};
use super::budget::EPSILON;
use super::example::{Example, LossAt};
use super::norm::{Limit, Norm};
use crate::error::Result;
use crate::techniques::api::Params;
use candle_core::Tensor;

pub(super) static FGSM: Attack = Attack {
    id: "fgsm",
    about: "one step of size ε along the sign of the gradient",
    definition: "x = clamp(x + ε·sign(∂CE(z, c)/∂x)); towards a target: x − ε·sign(∂CE(z, t)/∂x)",
    reference: "Goodfellow, Shlens & Szegedy 2015, arXiv:1412.6572",
    targets: Targets::Optional,
    params: &[EPSILON],
    rule: |_, _| Ok(Box::new(Fgsm)),
};

struct Fgsm;

impl Rule for Fgsm {
    fn next(&mut self, example: &Example, params: &Params, _: &Tensor, at: &LossAt) -> Result<Tensor> {
        let step = (Norm::Linf.direction(&at.gradient)? * params.float("epsilon"))?;
        Ok((&example.original + step)?.clamp(0f32, 1f32)?)
    }

    fn limit(&self, params: &Params) -> Limit {
        Limit::Linf(params.float("epsilon"))
    }

    fn total(&self, _: &Example, _: &Params) -> usize {
        1
    }
}
