//! Normalised ascent on pixels: class visualization as in Stanford's CS231n.

use super::super::classifier::{input_size, logits_and_gradient, probability};
use super::super::pixels::picture_from_pixels;
use super::super::stopping::{self, Watch};
use crate::error::Result;
use crate::model::Model;
use crate::optim::{gaussian_blur, jitter, noise, step_rng, unit};
use crate::techniques::api::{Aim, Job, Params, Progress, State, View};
use candle_core::{DType, Tensor};
use rand::Rng;
use std::sync::Arc;

/// Ascent on z_c − λ‖x‖² in the model's input space, with the picture shifted at random before each gradient,
/// clamped to valid pixels after each update and blurred every few updates, as in the model visualization
/// assignment of CS231n; the blur comes after updates 10, 20, …, where the assignment also blurs after the first.
pub(super) struct Ascent {
    model: Arc<Model>,
    params: Params,
    class: usize,
    seed: u64,
    /// The picture in input space, `[1, 3, H, W]`.
    x: Tensor,
    /// The gradient at `x` as it is now.
    gradient: Option<Tensor>,
    step: usize,
    watch: Watch,
    stopped: Option<&'static str>,
}

impl Ascent {
    /// `init`: pixels `[1, 3, H, W]` to start from.
    pub fn start(model: Arc<Model>, params: Params, class: usize, seed: u64, init: Option<Tensor>) -> Result<Self> {
        let size = input_size(&model);
        let shape = [1, 3, size, size];
        let x = match (init, params.choice("init")) {
            (Some(pixels), _) => model.input().input_from_pixels(&pixels)?,
            (None, "zero") => Tensor::zeros(&shape, DType::F32, model.device())?,
            // Stream 0 of the seed is the start, streams from 1 on are the steps.
            (None, _) => noise(&mut step_rng(seed, 0), &shape, model.device())?,
        };
        let watch = Watch::default();
        Ok(Self { model, params, class, seed, x, gradient: None, step: 0, watch, stopped: None })
    }

    fn update(&mut self, gradient: &Tensor) -> Result<()> {
        let moved = (&self.x + (unit(gradient)? * self.params.float("step_size"))?)?;
        self.x = self.model.input().clamp_input(&moved)?;
        self.step += 1;
        let (every, sigma) = (self.params.count("blur_every"), self.params.float("blur_sigma"));
        if every > 0 && self.step.is_multiple_of(every) && sigma > 0.0 {
            self.x = gaussian_blur(&self.x, sigma)?;
        }
        Ok(())
    }

    /// Logits of the shifted picture and the gradient of z_c − λ‖x‖² at the unshifted one.
    fn look(&self) -> Result<(Vec<f32>, Tensor)> {
        let reach = self.params.float("jitter") as i32;
        let mut rng = step_rng(self.seed, self.step + 1);
        let (dy, dx) = (rng.random_range(-reach..=reach), rng.random_range(-reach..=reach));
        let shifted = jitter(&self.x, dy, dx)?;
        let (logits, gradient) = logits_and_gradient(&self.model, &shifted, self.class)?;
        let gradient = jitter(&gradient, -dy, -dx)?;
        let penalty = (&self.x * (2.0 * self.params.float("l2")))?;
        Ok((logits, (gradient - penalty)?))
    }
}

impl Job for Ascent {
    fn step(&mut self) -> Result<Progress> {
        if let Some(gradient) = self.gradient.take() {
            self.update(&gradient)?;
        }
        let (logits, gradient) = self.look()?;
        self.gradient = Some(gradient);
        let penalty = self.params.float("l2") * f64::from(self.x.sqr()?.sum_all()?.to_scalar::<f32>()?);
        let score = f64::from(logits[self.class]);
        self.watch.see(self.step, penalty - score);
        let p = probability(&logits, self.class);
        self.stopped = stopping::reason(&self.params, self.step, Some(&self.watch), Some(p));
        Ok(Progress {
            step: self.step,
            total: self.params.count("steps"),
            figures: vec![("score", score), ("penalty", penalty), ("objective", score - penalty)],
            logits: Some(logits),
            done: self.stopped.is_some(),
            ..Progress::default()
        })
    }

    fn set(&mut self, params: &Params, aim: &Aim) -> Result<()> {
        self.params = params.clone();
        if let Some(class) = aim.class.filter(|class| *class != self.class) {
            self.class = class;
            self.watch.forget();
        }
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let pixels = self.model.input().pixels_from_input(&self.x)?;
        Ok(View { result: Some(picture_from_pixels(&pixels)?), ..View::default() })
    }

    fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        let facts = [
            ("class".to_owned(), self.model.info.class_fact(self.class)),
            ("stopped_by".to_owned(), self.stopped.into()),
        ];
        serde_json::Map::from_iter(facts)
    }

    fn save_state(&self) -> Option<State> {
        let state = State::default().with("x", &self.x).with_some("gradient", self.gradient.as_ref());
        Some(self.watch.save(state.with_value("step", self.step)))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.x = state.tensor("x")?;
        self.gradient = state.tensors.get("gradient").cloned();
        self.step = state.value("step")?;
        self.watch = Watch::load(state)?;
        Ok(())
    }
}
