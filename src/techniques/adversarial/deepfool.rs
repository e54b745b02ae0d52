//! DeepFool: the shortest way over the nearest border between classes.

use super::super::stopping::steps;
use super::attack::{Attack, Keep, Rule, Targets};
use super::scene::{Loss, Scene, Sight, length};
use crate::error::Result;
use crate::techniques::api::{ParamSpec, Params, State};
use candle_core::Tensor;

/// The overshoot is applied to the whole change, as in the paper and the authors' code; torchattacks applies it to
/// every step. Of the classes, only the likeliest are tried, as in the authors' code.
pub(super) static DEEPFOOL: Attack = Attack {
    id: "deepfool",
    about: "the shortest way over the nearest border between classes",
    definition: "r ← r + |f_k|/‖w_k‖² · w_k for the nearest of the likeliest classes, f_k = z_k − z_c, w_k = ∂f_k/∂x; x = clamp(x₀ + (1 + overshoot)·r), until the 8-bit picture has another class",
    reference: "Moosavi-Dezfooli, Fawzi & Frossard 2016, arXiv:1511.04599",
    targets: Targets::Optional,
    params: &[
        steps(50),
        ParamSpec::float("overshoot", [0.0, 10.0], 0.02, "how much further than the border, as a share of the way"),
        ParamSpec::int("classes", [2, 1000], 10, "how many of the likeliest classes are tried"),
    ],
    rule: |scene, _| Ok(Box::new(DeepFool { way: scene.original.zeros_like()? })),
};

struct DeepFool {
    /// r, the change without overshoot.
    way: Tensor,
}

impl Rule for DeepFool {
    fn loss(&self) -> Loss {
        Loss::Margin
    }

    fn keep(&self) -> Keep {
        Keep::First
    }

    fn next(&mut self, scene: &Scene, params: &Params, x: &Tensor, seen: &Sight) -> Result<Tensor> {
        let source = scene.goal.source;
        let mut others: Vec<usize> = (0..seen.logits.len()).filter(|class| *class != source).collect();
        others.sort_by(|&a, &b| seen.logits[b].total_cmp(&seen.logits[a]));
        others.truncate(params.count("classes") - 1);
        if let Some(target) = scene.goal.target {
            others = vec![target];
        }
        let mut classes = vec![source];
        classes.extend(&others);
        let gradients = scene.gradients_of(x, &classes)?;
        let mut nearest: Option<(f64, Tensor)> = None;
        for (class, gradient) in others.iter().zip(&gradients[1..]) {
            let border = (gradient - &gradients[0])?;
            let slope = length(&border)?.max(1e-12);
            let gap = f64::from(seen.logits[*class] - seen.logits[source]).abs() + 1e-4;
            if nearest.as_ref().is_none_or(|(distance, _)| gap / slope < *distance) {
                nearest = Some((gap / slope, (border * (gap / slope.powi(2)))?));
            }
        }
        if let Some((_, step)) = nearest {
            self.way = (&self.way + step)?;
        }
        let overshoot = 1.0 + params.float("overshoot");
        Ok((&scene.original + (&self.way * overshoot)?)?.clamp(0f32, 1f32)?)
    }

    fn save(&self) -> State {
        State::default().with("way", &self.way)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.way = state.tensor("way")?;
        Ok(())
    }
}
