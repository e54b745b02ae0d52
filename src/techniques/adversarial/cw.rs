//! Carlini & Wagner's attack in L2.

use super::super::stopping::steps;
use super::attack::{Attack, Keep, Rule, Targets};
use super::scene::{Loss, Scene, Sight};
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
    rule: |scene, _| {
        let x = (((&scene.original * 2.0)? - 1.0)? * (1.0 - MARGIN))?;
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

    fn keep(&self) -> Keep {
        Keep::Smallest
    }

    fn next(&mut self, scene: &Scene, params: &Params, x: &Tensor, seen: &Sight) -> Result<Tensor> {
        let mut gradient = ((x - &scene.original)? * 2.0)?;
        if seen.loss < params.float("kappa") {
            gradient = (gradient - (&seen.gradient * params.float("c"))?)?;
        }
        let t = self.w.tanh()?;
        let gradient = ((gradient * (1.0 - t.sqr()?)?)? / 2.0)?;
        self.w = self.adam.step(&self.w, &gradient, params.float("step_size"))?;
        Ok(((self.w.tanh()? + 1.0)? / 2.0)?)
    }

    fn save(&self) -> State {
        let (mean, variance, updates) = self.adam.moments();
        let state = State::default().with("w", &self.w).with("mean", mean).with("variance", variance);
        state.with_value("updates", updates)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.w = state.tensor("w")?;
        self.adam = Adam::resumed(state.tensor("mean")?, state.tensor("variance")?, state.value("updates")?);
        Ok(())
    }
}
