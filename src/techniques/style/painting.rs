//! The job that paints: from small to full size, by Adam or L-BFGS, with averaged iterates.

use super::super::pixels::{picture_from_pixels, pixels_from_picture};
use super::super::stopping::Watch;
use super::colours::coloured_as;
use super::objective::{Losses, Objective, Recipe, Weights};
use crate::error::{Error, Result};
use crate::imaging::{Picture, fit_longer_side, resize};
use crate::model::Model;
use crate::optim::{Adam, Corners, Lbfgs, bilinear, noise, step_rng};
use crate::techniques::api::{Aim, Job, Params, Progress, State, View};
use candle_core::Tensor;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How the picture is moved.
enum Mover {
    Adam(Adam),
    Lbfgs(Lbfgs),
}

/// What the painting is made of.
pub(super) struct Studio {
    pub model: Arc<Model>,
    pub params: Params,
    pub recipe: Recipe,
    pub seed: u64,
    /// The photo, at its own size.
    pub photo: Picture,
    /// The paintings with their weights, colours already prepared, at their own sizes.
    pub paintings: Vec<(Picture, f64)>,
    /// Where to paint.
    pub mask: Option<Picture>,
    /// The picture to start from.
    pub init: Option<Picture>,
    /// Longer sides, from the first to the last.
    pub sizes: Vec<u32>,
}

pub(super) struct Painting {
    studio: Studio,
    objective: Objective,
    /// The present size, counted in `sizes`.
    scale: usize,
    /// Updates made when it began.
    began: usize,
    /// The photo at the present size.
    photo: Picture,
    /// Pixels of the photo and where to paint, at the present size, if it is not everywhere.
    kept: Option<(Tensor, Tensor)>,
    /// Pixels `[1, 3, H, W]`.
    x: Tensor,
    /// The weighted sum of the iterates and of their weights.
    average: (Tensor, f64),
    mover: Mover,
    found: Option<Losses>,
    step: usize,
    watch: Watch,
    stopped: Option<&'static str>,
}

impl Painting {
    pub fn start(studio: Studio) -> Result<Self> {
        let photo = fit_longer_side(&studio.photo, studio.sizes[0]);
        let pixels = pixels_from_picture(&photo, studio.model.device())?;
        let x = match (&studio.init, studio.params.choice("init")) {
            (Some(init), _) => pixels_from_picture(&resize(init, photo.width, photo.height), pixels.device())?,
            (None, "noise") => {
                let grain = noise(&mut step_rng(studio.seed, 0), pixels.dims(), pixels.device())?;
                ((grain * 0.2)? + 0.5)?.clamp(0f32, 1f32)?
            }
            (None, _) => pixels,
        };
        let lbfgs = studio.params.choice("optimizer") == "lbfgs";
        let (objective, kept) = prepared(&studio, &photo)?;
        Ok(Self {
            mover: if lbfgs { Mover::Lbfgs(Lbfgs::default()) } else { Mover::Adam(Adam::new(&x)?) },
            average: (x.zeros_like()?, 0.0),
            studio,
            objective,
            scale: 0,
            began: 0,
            photo,
            kept,
            x,
            found: None,
            step: 0,
            watch: Watch::default(),
            stopped: None,
        })
    }

    fn weights(&self) -> Weights {
        let number = |name| self.studio.params.float(name);
        Weights { content: number("content_weight"), style: number("style_weight"), tv: number("tv_weight") }
    }

    /// The picture as it is shown: the average of the iterates, where they are averaged.
    fn shown(&self) -> Result<Tensor> {
        let (sum, weight) = &self.average;
        if *weight > 0.0 { Ok((sum / *weight)?) } else { Ok(self.x.clone()) }
    }

    /// The shown picture with the colours that were asked for.
    fn result(&self) -> Result<Picture> {
        let picture = picture_from_pixels(&self.shown()?)?;
        let keeps = self.studio.params.choice("colours") == "luminance";
        Ok(if keeps { coloured_as(&picture, &self.photo) } else { picture })
    }

    /// Updates that the present size is given.
    fn share(&self) -> usize {
        let (steps, sizes) = (self.studio.params.count("steps"), self.studio.sizes.len());
        if self.scale + 1 == sizes { steps.saturating_sub(self.began) } else { (steps / sizes).max(1) }
    }

    /// Goes on at the next size, with everything that was learned.
    fn grow(&mut self) -> Result<()> {
        let shown = self.shown()?;
        self.scale += 1;
        self.began = self.step;
        let size = self.enter()?;
        self.x = self.masked(bilinear(&shown, size, Corners::Centred)?.clamp(0f32, 1f32)?)?;
        self.average = (self.x.zeros_like()?, 0.0);
        self.mover = match &self.mover {
            Mover::Adam(adam) => {
                let (mean, variance, updates) = adam.moments();
                let larger = |x: &Tensor| bilinear(x, size, Corners::Centred);
                Mover::Adam(Adam::resumed(larger(mean)?, larger(variance)?.clamp(0f32, f32::MAX)?, updates))
            }
            // Curvature does not carry over from one size to another.
            Mover::Lbfgs(_) => Mover::Lbfgs(Lbfgs::default()),
        };
        self.found = None;
        self.watch.forget();
        Ok(())
    }

    /// Prepares photo and objective of the present size; the answer is its height and width.
    fn enter(&mut self) -> Result<(usize, usize)> {
        self.photo = fit_longer_side(&self.studio.photo, self.studio.sizes[self.scale]);
        (self.objective, self.kept) = prepared(&self.studio, &self.photo)?;
        Ok((self.photo.height as usize, self.photo.width as usize))
    }

    /// `x` where it is to be painted, the photo elsewhere.
    fn masked(&self, x: Tensor) -> Result<Tensor> {
        match &self.kept {
            Some((photo, mask)) => Ok((photo + (x - photo)?.broadcast_mul(mask)?)?),
            None => Ok(x),
        }
    }

    fn update(&mut self, found: Losses) -> Result<()> {
        let weights = self.weights();
        let (objective, kept) = (&self.objective, &self.kept);
        let only_there = |mut losses: Losses| -> Result<Losses> {
            if let Some((_, mask)) = kept {
                losses.gradient = losses.gradient.broadcast_mul(mask)?;
            }
            Ok(losses)
        };
        match &mut self.mover {
            Mover::Adam(adam) => {
                let gradient = only_there(found)?.gradient;
                let moved = adam.step(&self.x, &gradient, self.studio.params.float("step_size"))?;
                self.x = self.masked(moved.clamp(0f32, 1f32)?)?;
            }
            Mover::Lbfgs(lbfgs) => {
                let look = |x: &Tensor| only_there(objective.evaluate(x, &weights)?);
                let moved = lbfgs.step(&self.x, only_there(found)?, look)?;
                self.x = moved.x;
                self.found = Some(moved.found);
            }
        }
        self.step += 1;
        let decay = self.studio.params.float("average");
        let (sum, weight) = &self.average;
        self.average = (((sum * decay)? + (&self.x * (1.0 - decay))?)?, weight * decay + 1.0 - decay);
        Ok(())
    }

    fn losses(&self) -> Value {
        let look = || -> Result<Losses> {
            let pixels = pixels_from_picture(&self.result()?, self.x.device())?;
            self.objective.evaluate(&pixels, &self.weights())
        };
        look().map_or(
            Value::Null,
            |found| json!({ "loss": found.total, "content": found.content, "style": found.style, "tv": found.tv }),
        )
    }
}

/// The objective for a photo of this size, and what has to be kept of it.
fn prepared(studio: &Studio, photo: &Picture) -> Result<(Objective, Option<(Tensor, Tensor)>)> {
    let device = studio.model.device();
    let pixels = pixels_from_picture(photo, device)?;
    let side = f64::from(photo.width.max(photo.height)) * studio.params.float("style_scale");
    let paintings = studio
        .paintings
        .iter()
        .map(|(painting, weight)| {
            let painting = fit_longer_side(painting, (side.round() as u32).max(1));
            Ok((pixels_from_picture(&painting, device)?, *weight))
        })
        .collect::<Result<Vec<_>>>()?;
    let kept = match &studio.mask {
        Some(mask) => {
            let mask = pixels_from_picture(&resize(mask, photo.width, photo.height), device)?.mean_keepdim(1)?;
            Some((pixels.clone(), mask))
        }
        None => None,
    };
    let mask = kept.as_ref().map(|(_, mask)| mask);
    let objective = Objective::new(studio.model.clone(), &pixels, &paintings, &studio.recipe, mask)?;
    Ok((objective, kept))
}

impl Job for Painting {
    fn step(&mut self) -> Result<Progress> {
        let mut notes = vec![];
        if let Some(found) = self.found.take() {
            self.update(found)?;
            let patience = self.studio.params.count("plateau");
            let flat = patience > 0 && self.watch.since_improvement(self.step) >= patience;
            if self.scale + 1 < self.studio.sizes.len() && (self.step - self.began >= self.share() || flat) {
                self.grow()?;
                notes.push(format!("{}×{}", self.photo.width, self.photo.height));
            }
        }
        let found = match self.found.take() {
            Some(found) => found,
            None => self.objective.evaluate(&self.x, &self.weights())?,
        };
        self.watch.see_loss(self.step, found.total)?;
        let figures =
            vec![("loss", found.total), ("content", found.content), ("style", found.style), ("tv", found.tv)];
        self.found = Some(found);
        let total = self.studio.params.count("steps");
        let patience = self.studio.params.count("plateau");
        let flat = patience > 0 && self.watch.since_improvement(self.step) >= patience;
        let last = self.scale + 1 == self.studio.sizes.len();
        self.stopped = if self.step >= total { Some("steps") } else { (flat && last).then_some("plateau") };
        Ok(Progress { step: self.step, total, figures, logits: None, notes, done: self.stopped.is_some() })
    }

    fn set(&mut self, params: &Params, _: &Aim) -> Result<()> {
        let before = self.weights();
        self.studio.params = params.clone();
        if self.weights() != before {
            // Losses and curvature of the old weights say nothing of the new ones.
            self.watch.forget();
            if let Mover::Lbfgs(lbfgs) = &mut self.mover {
                *lbfgs = Lbfgs::default();
                self.found =
                    self.found.take().map(|_| self.objective.evaluate(&self.x, &self.weights())).transpose()?;
            }
        }
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let last = self.studio.sizes.last().copied().unwrap_or_default();
        let result = self.result()?;
        Ok(View {
            input: Some(self.photo.clone()),
            result: Some(if self.scale + 1 < self.studio.sizes.len() {
                fit_longer_side(&result, last)
            } else {
                result
            }),
            ..View::default()
        })
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = Map::new();
        facts.insert("result_losses".into(), self.losses());
        facts.insert("sizes".into(), json!(self.studio.sizes));
        facts.insert("stopped_by".into(), self.stopped.into());
        facts
    }

    fn save_state(&self) -> Option<State> {
        let mut state = State::default().with("x", &self.x).with("average", &self.average.0);
        state = state.with_value("average_weight", self.average.1).with_value("scale", self.scale);
        state = state.with_value("began", self.began).with_value("step", self.step);
        if let Some(found) = &self.found {
            let figures = [found.content, found.style, found.tv, found.total];
            state = state.with("gradient", &found.gradient).with_value("losses", figures);
        }
        match &self.mover {
            Mover::Adam(adam) => {
                let (mean, variance, updates) = adam.moments();
                state = state.with("mean", mean).with("variance", variance).with_value("updates", updates);
            }
            Mover::Lbfgs(lbfgs) => {
                for (i, (s, y)) in lbfgs.pairs().enumerate() {
                    state = state.with(&format!("move{i}"), s).with(&format!("change{i}"), y);
                }
            }
        }
        Some(self.watch.save(state))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.scale = state.value("scale")?;
        if self.scale >= self.studio.sizes.len() {
            return Err(State::foreign());
        }
        self.enter()?;
        self.x = state.tensor("x")?;
        self.average = (state.tensor("average")?, state.value("average_weight")?);
        (self.began, self.step) = (state.value("began")?, state.value("step")?);
        self.found = match state.tensors.get("gradient") {
            Some(gradient) => {
                let [content, style, tv, total] = state.value("losses")?;
                Some(Losses { content, style, tv, total, gradient: gradient.clone() })
            }
            None => None,
        };
        self.mover = match &self.mover {
            Mover::Adam(_) => {
                let (mean, variance) = (state.tensor("mean")?, state.tensor("variance")?);
                Mover::Adam(Adam::resumed(mean, variance, state.value("updates")?))
            }
            Mover::Lbfgs(_) => {
                let pair = |i: usize| {
                    let tensor = |name: &str| state.tensors.get(&format!("{name}{i}")).cloned();
                    Some((tensor("move")?, tensor("change")?))
                };
                Mover::Lbfgs(Lbfgs::with_pairs((0..).map_while(pair).collect()))
            }
        };
        self.watch = Watch::load(state)?;
        Ok(())
    }
}

/// What a painting of this size would need beyond the memory that is free, as an error.
pub(super) fn refuse_what_does_not_fit(model: &Model, (width, height): (u32, u32)) -> Result<()> {
    /// Bytes at the peak for each value of all the layers: activations, gradients and what kernels unpack.
    const BYTES_A_VALUE: f64 = 11.0;
    let layers = model.graph.layers(height as usize, width as usize)?;
    let values: f64 = layers.iter().map(|l| l.shape.iter().product::<usize>() as f64).sum();
    let need = values * BYTES_A_VALUE;
    match crate::memory::free() {
        Some(free) if need > free => Err(Error::TooLarge {
            what: format!("a picture of {width}×{height} pixels"),
            need_gb: need / 1e9,
            free_gb: free / 1e9,
            advice: "lower size".into(),
        }),
        _ => Ok(()),
    }
}
