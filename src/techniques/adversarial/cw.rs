//! Carlini & Wagner's attack in L2.

use super::super::stopping::steps;
use super::attack::{Attack, Pick, Rule, Targets};
use super::example::{Example, LossAt};
use super::loss::Loss;
use crate::error::Result;
use crate::optim::Adam;
use crate::techniques::api::{ParamSpec, Params, State};
use candle_core::Tensor;

/// Pixels are kept this far from black and white before tanh is undone.
const MARGIN: f64 = 1e-6;

/// One run with a given c, as in torchattacks; the paper searches for the best c around it.
pub(super) static CW: Attack = Attack {
    id: "cw",
    about: "the smallest change in L2 that fools: Carlini & Wagner's attack",
    definition: "Adam on w, x = (tanh w + 1)/2, minimising ‖x − x₀‖² + c·max(z_c − max_{i≠c} z_i, −κ), towards a target max_{i≠t} z_i − z_t; kept is the 8-bit picture with the smallest change",
    reference: "Carlini & Wagner 2017, arXiv:1608.04644; a fixed c as in torchattacks",
    targets: Targets::Optional,
    params: &[
        ParamSpec::float("c", [0.0, 1e6], 1.0, "c, how much fooling counts against a small change"),
        ParamSpec::float("kappa", [0.0, 1e3], 0.0, "κ, by how much the winning logit has to be ahead"),
        steps(50),
        ParamSpec::float("step_size", [0.0, 10.0], 0.01, "Adam's step size"),
    ],
    rule: |example, _| {
        let x = (((&example.original * 2.0)? - 1.0)? * (1.0 - MARGIN))?;
        let w = (((&x + 1.0)? / (1.0 - &x)?)?.log()? / 2.0)?;
        Ok(Box::new(CarliniWagner { adam: Adam::new(&w)?, w }))
    },
};

struct CarliniWagner {
    w: Tensor,
    adam: Adam,
}

impl Rule for CarliniWagner {
    fn loss(&self) -> Loss {
        Loss::Margin
    }

    fn pick(&self) -> Pick {
        Pick::Smallest
    }

    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let mut gradient = ((x - &example.original)? * 2.0)?;
        if at.value < params.float("kappa") {
            gradient = (gradient - (&at.gradient * params.float("c"))?)?;
        }
        let t = self.w.tanh()?;
        let gradient = ((gradient * (1.0 - t.sqr()?)?)? / 2.0)?;
        self.w = self.adam.step(&self.w, &gradient, params.float("step_size"))?;
        Ok(((self.w.tanh()? + 1.0)? / 2.0)?)
    }

    fn save(&self) -> State {
        State::default().with("w", &self.w).with_adam(&self.adam)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.w = state.tensor("w")?;
        self.adam = state.adam()?;
        Ok(())
    }
}
