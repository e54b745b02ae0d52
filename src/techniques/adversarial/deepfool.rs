//! DeepFool: the shortest way over the nearest border between classes.

use super::super::stopping::steps;
use super::attack::{Attack, Pick, Rule, Targets};
use super::example::{Example, LossAt};
use super::loss::Loss;
use crate::error::Result;
use crate::optim::length;
use crate::techniques::api::{ParamSpec, Params, State};
use candle_core::Tensor;

/// The overshoot is applied to the whole change, as in the paper and the authors' code; torchattacks applies it to
/// every step. Of the classes, only the likeliest are tried, as in the authors' code.
pub(super) static DEEPFOOL: Attack = Attack {
    id: "deepfool",
    about: "the shortest way over the nearest border between classes",
    definition: "r ← r + |f_k|/‖w_k‖² · w_k for the nearest of the likeliest classes, f_k = z_k − z_c, w_k = ∂f_k/∂x; x = clamp(x₀ + (1 + overshoot)·r), until the 8-bit picture has another class; of independent classes f = z_c alone",
    reference: "Moosavi-Dezfooli, Fawzi & Frossard 2016, arXiv:1511.04599",
    targets: Targets::Optional,
    params: &[
        steps(50),
        ParamSpec::float("overshoot", [0.0, 10.0], 0.02, "how much further than the border, as a share of the way"),
        ParamSpec::int("classes", [2, 100_000], 10, "how many of the likeliest classes are tried"),
    ],
    rule: |example, _| Ok(Box::new(DeepFool { way: example.original.zeros_like()? })),
};

struct DeepFool {
    /// r, the change without overshoot.
    way: Tensor,
}

impl Rule for DeepFool {
    fn loss(&self) -> Loss {
        Loss::Margin
    }

    fn pick(&self) -> Pick {
        Pick::First
    }

    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let mut nearest: Option<(f64, Tensor)> = None;
        for (gap, border) in borders(example, params.count("classes"), x, &at.logits)? {
            let slope = length(&border)?.max(1e-12);
            let gap = gap + 1e-4;
            if nearest.as_ref().is_none_or(|(distance, _)| gap / slope < *distance) {
                nearest = Some((gap / slope, (border * (gap / slope.powi(2)))?));
            }
        }
        if let Some((_, step)) = nearest {
            self.way = (&self.way + step)?;
        }
        let overshoot = 1.0 + params.float("overshoot");
        Ok((&example.original + (&self.way * overshoot)?)?.clamp(0f32, 1f32)?)
    }

    fn save(&self) -> State {
        State::default().with("way", &self.way)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.way = state.tensor("way")?;
        Ok(())
    }
}

/// The borders that may be crossed at `x`: how far it is to each in the logits, |f|, and ∂f/∂x towards it.
fn borders(example: &Example, classes: usize, x: &Tensor, logits: &[f32]) -> Result<Vec<(f64, Tensor)>> {
    let criterion = example.criterion;
    if let Some((class, direction)) = criterion.alone(&example.output) {
        // Its own probability of ½ is the only one.
        let gradient = (&example.gradients_of(x, &[class])?[0] * f64::from(direction))?;
        return Ok(vec![(f64::from(logits[class]).abs(), gradient)]);
    }
    let source = criterion.source;
    let mut others: Vec<usize> = (0..logits.len()).filter(|class| *class != source).collect();
    others.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    others.truncate(classes - 1);
    if let Some(target) = criterion.target {
        others = vec![target];
    }
    let mut wanted = vec![source];
    wanted.extend(&others);
    let gradients = example.gradients_of(x, &wanted)?;
    let border = |(&class, gradient): (&usize, &Tensor)| -> Result<(f64, Tensor)> {
        Ok((f64::from(logits[class] - logits[source]).abs(), (gradient - &gradients[0])?))
    };
    others.iter().zip(&gradients[1..]).map(border).collect()
}
