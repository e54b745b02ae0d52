//! Fooling images: a photo changed, hardly visibly, until the model takes it for another class.

use super::super::stopping::steps;
use super::attack::{Attack, Pick, Rule, Targets};
use super::example::{Example, LossAt};
use super::loss::Loss;
use crate::error::Result;
use crate::optim::unit;
use crate::techniques::api::{ParamSpec, Params};
use candle_core::Tensor;

/// From Stanford's CS231n assignments; the gradient's direction is that of the model's input space.
pub(super) static FOOLING: Attack = Attack {
    id: "fooling",
    about: "a photo changed, hardly visibly, until the model takes it for another class",
    definition: "x ← x + s·g/‖g‖₂ with g = ∂z_t/∂x, unclamped, until the top class is the target t (`iterations`), then on until the clamped 8-bit picture is taken for t too (`steps`)",
    reference: "Szegedy et al. 2014, arXiv:1312.6199; normalised ascent as in Stanford's CS231n",
    targets: Targets::Required,
    params: &[
        steps(100),
        ParamSpec::float("step_size", [0.0, 1000.0], 1.0, "s, the length of each update in the model's input space"),
    ],
    rule: |_, _| Ok(Box::new(Fooling)),
};

struct Fooling;

impl Rule for Fooling {
    fn loss(&self) -> Loss {
        Loss::Logit
    }

    fn pick(&self) -> Pick {
        Pick::First
    }

    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let preprocess = example.model.input();
        let gradient = preprocess.gradient_at_input(&at.gradient)?;
        let input = (preprocess.input_from_pixels(x)? + (unit(&gradient)? * params.float("step_size"))?)?;
        preprocess.pixels_from_input(&input)
    }
}
