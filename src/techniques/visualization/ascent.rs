//! Normalised ascent on pixels: class visualization as in Stanford's CS231n.

use super::super::classifier::logits_and_gradient;
use super::super::optimisation::{Iteration, Look, Optimisation};
use crate::error::Result;
use crate::model::{Model, Output};
use crate::optim::{gaussian_blur, jitter, noise, step_rng, unit};
use crate::techniques::api::{Aim, Params, State, View};
use candle_core::{DType, Tensor};
use rand::Rng;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Ascent on z_c − λ‖x‖² in the model's input space, with the picture shifted at random before each gradient,
/// clamped to valid pixels after each update and blurred every few updates, as in the model visualization
/// assignment of CS231n; the blur comes after updates 10, 20, …, where the assignment also blurs after the first.
pub(super) struct Ascent {
    model: Arc<Model>,
    output: Output,
    params: Params,
    class: usize,
    seed: u64,
    /// The picture in input space, `[1, C, H, W]`.
    x: Tensor,
}

impl Ascent {
    /// `init`: pixels `[1, C, H, W]` to start from.
    pub fn new(model: Arc<Model>, params: Params, class: usize, seed: u64, init: Option<Tensor>) -> Result<Self> {
        let output = model.info.classes()?.clone();
        let input = model.input();
        let [height, width] = input.size;
        let shape = [1, input.channel_count(), height, width];
        let x = match (init, params.choice("init")) {
            (Some(pixels), _) => input.input_from_pixels(&pixels)?,
            (None, "zero") => input.opaque(&Tensor::zeros(&shape, DType::F32, model.device())?)?,
            // Stream 0 of the seed is the start, streams from 1 on are the steps.
            (None, _) => input.opaque(&noise(&mut step_rng(seed, 0), &shape, model.device())?)?,
        };
        Ok(Self { model, output, params, class, seed, x })
    }

    /// Logits of the shifted picture and the gradient of z_c − λ‖x‖² at the unshifted one.
    fn gradient(&self, step: usize) -> Result<(Vec<f32>, Tensor)> {
        let reach = self.params.float("jitter") as i32;
        let mut rng = step_rng(self.seed, step + 1);
        let (dy, dx) = (rng.random_range(-reach..=reach), rng.random_range(-reach..=reach));
        let shifted = jitter(&self.x, dy, dx)?;
        let (mut logits, gradient) = logits_and_gradient(&self.model, &shifted, |logits| {
            let mut seed = vec![0f32; logits[0].len()];
            seed[self.class] = 1.0;
            seed
        })?;
        let gradient = jitter(&gradient, -dy, -dx)?;
        let penalty = (&self.x * (2.0 * self.params.float("l2")))?;
        Ok((logits.remove(0), (gradient - penalty)?))
    }
}

impl Optimisation for Ascent {
    type Seen = Tensor;

    fn params(&self) -> &Params {
        &self.params
    }

    fn look(&mut self, iteration: &Iteration) -> Result<Look<Tensor>> {
        let (logits, gradient) = self.gradient(iteration.step)?;
        let penalty = self.params.float("l2") * f64::from(self.x.sqr()?.sum_all()?.to_scalar::<f32>()?);
        let score = f64::from(logits[self.class]);
        let probability = self.output.has_probabilities().then(|| self.output.probability(&logits, self.class));
        Ok(Look {
            seen: gradient,
            objective: penalty - score,
            figures: vec![("score", score), ("penalty", penalty), ("objective", score - penalty)],
            logits: Some(logits),
            probability,
            notes: vec![],
        })
    }

    fn update(&mut self, gradient: Tensor, iteration: &mut Iteration) -> Result<Vec<String>> {
        let moved = (&self.x + (unit(&gradient)? * self.params.float("step_size"))?)?;
        self.x = self.model.input().clamp_input(&moved)?;
        let (every, sigma) = (self.params.count("blur_every"), self.params.float("blur_sigma"));
        if every > 0 && iteration.step.is_multiple_of(every) && sigma > 0.0 {
            self.x = gaussian_blur(&self.x, sigma)?;
        }
        Ok(vec![])
    }

    fn set(&mut self, params: &Params, aim: &Aim, iteration: &mut Iteration, _: &mut Option<Tensor>) -> Result<()> {
        if let Some(class) = aim.class.filter(|class| *class != self.class) {
            self.class = self.output.labels.check(class)?;
            iteration.watch.forget();
        }
        self.params = params.clone();
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let input = self.model.input();
        let result = input.picture_from_pixels(&input.pixels_from_input(&self.x)?)?;
        Ok(View { result: Some(result), ..View::default() })
    }

    fn facts(&self) -> Map<String, Value> {
        Map::from_iter([("class".to_owned(), self.model.info.class_fact(self.class))])
    }

    fn save(&self) -> State {
        State::default().with("x", &self.x)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.x = state.tensor("x")?;
        Ok(())
    }
}
