//! The optimisation that paints: from small to full size, by Adam or L-BFGS, with averaged iterates.

use super::super::optimisation::{Iteration, Look, Optimisation, Seen};
use super::colours::coloured_as;
use super::objective::{LossWeights, Losses, Objective, Recipe};
use crate::error::Result;
use crate::graph::LayerName;
use crate::imaging::{Picture, fit_longer_side, resize};
use crate::model::Model;
use crate::optim::{Adam, Corners, Lbfgs, bilinear, noise, step_rng};
use crate::techniques::api::{Aim, Params, State, View};
use candle_core::Tensor;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How the picture is moved.
enum Optimiser {
    Adam(Adam),
    Lbfgs(Lbfgs),
}

/// What a transfer works with.
pub(super) struct TransferInputs {
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

impl TransferInputs {
    fn pixels(&self, picture: &Picture) -> Result<Tensor> {
        self.model.input().pixels_from_picture(picture, self.model.device())
    }
}

pub(super) struct Transfer {
    setup: TransferInputs,
    objective: Objective,
    /// The present size, counted in `sizes`.
    scale: usize,
    /// Updates made when it began.
    began: usize,
    /// The photo at the present size.
    photo: Picture,
    /// Pixels of the photo and where to paint, at the present size, if it is not everywhere.
    kept: Option<(Tensor, Tensor)>,
    /// Pixels `[1, C, H, W]`.
    x: Tensor,
    /// The weighted sum of the iterates and of their weights.
    average: (Tensor, f64),
    optimiser: Optimiser,
    /// What the last update has seen of the present picture already.
    ahead: Option<Losses>,
}

impl Seen for Losses {
    fn save(&self, state: State) -> State {
        let figures = [self.content, self.style, self.tv, self.total];
        state.with("gradient", &self.gradient).with_value("losses", figures)
    }

    fn load(state: &State) -> Result<Option<Self>> {
        let Some(gradient) = state.tensors.get("gradient").cloned() else { return Ok(None) };
        let [content, style, tv, total] = state.value("losses")?;
        Ok(Some(Self { content, style, tv, total, gradient }))
    }
}

impl Transfer {
    pub fn new(setup: TransferInputs) -> Result<Self> {
        let photo = fit_longer_side(&setup.photo, setup.sizes[0]);
        let pixels = setup.pixels(&photo)?;
        let x = match (&setup.init, setup.params.choice("init")) {
            (Some(init), _) => setup.pixels(&resize(init, photo.width, photo.height))?,
            (None, "noise") => {
                let grain = noise(&mut step_rng(setup.seed, 0), pixels.dims(), pixels.device())?;
                ((grain * 0.2)? + 0.5)?.clamp(0f32, 1f32)?
            }
            (None, _) => pixels,
        };
        let lbfgs = setup.params.choice("optimizer") == "lbfgs";
        let (objective, kept) = prepared(&setup, &photo)?;
        Ok(Self {
            optimiser: if lbfgs { Optimiser::Lbfgs(Lbfgs::default()) } else { Optimiser::Adam(Adam::new(&x)?) },
            average: (x.zeros_like()?, 0.0),
            setup,
            objective,
            scale: 0,
            began: 0,
            photo,
            kept,
            x,
            ahead: None,
        })
    }

    fn weights(&self) -> LossWeights {
        let number = |name| self.setup.params.float(name);
        LossWeights { content: number("content_weight"), style: number("style_weight"), tv: number("tv_weight") }
    }

    /// The picture as it is shown: the average of the iterates, where they are averaged.
    fn shown(&self) -> Result<Tensor> {
        let (sum, weight) = &self.average;
        if *weight > 0.0 { Ok((sum / *weight)?) } else { Ok(self.x.clone()) }
    }

    /// The shown picture with the colours that were asked for.
    fn result(&self) -> Result<Picture> {
        let picture = self.setup.model.input().picture_from_pixels(&self.shown()?)?;
        let keeps = self.setup.params.choice("colours") == "luminance";
        Ok(if keeps { coloured_as(&picture, &self.photo) } else { picture })
    }

    fn is_last_size(&self) -> bool {
        self.scale + 1 >= self.setup.sizes.len()
    }

    /// Updates that the present size is given.
    fn share(&self) -> usize {
        let (steps, sizes) = (self.setup.params.count("steps"), self.setup.sizes.len());
        if self.is_last_size() { steps.saturating_sub(self.began) } else { (steps / sizes).max(1) }
    }

    /// Goes on at the next size, with everything that was learned.
    fn grow(&mut self, iteration: &mut Iteration) -> Result<()> {
        let shown = self.shown()?;
        self.scale += 1;
        self.began = iteration.step;
        let size = self.enter()?;
        self.x = self.masked(bilinear(&shown, size, Corners::Centred)?.clamp(0f32, 1f32)?)?;
        self.average = (self.x.zeros_like()?, 0.0);
        self.optimiser = match &self.optimiser {
            Optimiser::Adam(adam) => {
                let (mean, variance, updates) = adam.moments();
                let larger = |x: &Tensor| bilinear(x, size, Corners::Centred);
                Optimiser::Adam(Adam::resumed(larger(mean)?, larger(variance)?.clamp(0f32, f32::MAX)?, updates))
            }
            // Curvature does not carry over from one size to another.
            Optimiser::Lbfgs(_) => Optimiser::Lbfgs(Lbfgs::default()),
        };
        self.ahead = None;
        iteration.watch.forget();
        Ok(())
    }

    /// Prepares photo and objective of the present size; the answer is its height and width.
    fn enter(&mut self) -> Result<(usize, usize)> {
        self.photo = fit_longer_side(&self.setup.photo, self.setup.sizes[self.scale]);
        (self.objective, self.kept) = prepared(&self.setup, &self.photo)?;
        Ok((self.photo.height as usize, self.photo.width as usize))
    }

    /// `x` where it is to be painted, the photo elsewhere.
    fn masked(&self, x: Tensor) -> Result<Tensor> {
        match &self.kept {
            Some((photo, mask)) => Ok((photo + (x - photo)?.broadcast_mul(mask)?)?),
            None => Ok(x),
        }
    }

    fn step(&mut self, found: Losses) -> Result<()> {
        let weights = self.weights();
        let (objective, kept) = (&self.objective, &self.kept);
        let only_there = |mut losses: Losses| -> Result<Losses> {
            if let Some((_, mask)) = kept {
                losses.gradient = losses.gradient.broadcast_mul(mask)?;
            }
            Ok(losses)
        };
        match &mut self.optimiser {
            Optimiser::Adam(adam) => {
                let gradient = only_there(found)?.gradient;
                let moved = adam.step(&self.x, &gradient, self.setup.params.float("step_size"))?;
                self.x = self.masked(moved.clamp(0f32, 1f32)?)?;
            }
            Optimiser::Lbfgs(lbfgs) => {
                let look = |x: &Tensor| only_there(objective.evaluate(x, &weights)?);
                let moved = lbfgs.step(&self.x, only_there(found)?, look)?;
                self.x = moved.x;
                self.ahead = Some(moved.found);
            }
        }
        let decay = self.setup.params.float("average");
        let (sum, weight) = &self.average;
        self.average = (((sum * decay)? + (&self.x * (1.0 - decay))?)?, weight * decay + 1.0 - decay);
        Ok(())
    }

    fn losses(&self) -> Value {
        let look = || -> Result<Losses> {
            let pixels = self.setup.pixels(&self.result()?)?;
            self.objective.evaluate(&pixels, &self.weights())
        };
        look().map_or(
            Value::Null,
            |found| json!({ "loss": found.total, "content": found.content, "style": found.style, "tv": found.tv }),
        )
    }
}

/// The objective for a photo of this size, and what has to be kept of it.
fn prepared(setup: &TransferInputs, photo: &Picture) -> Result<(Objective, Option<(Tensor, Tensor)>)> {
    let pixels = setup.pixels(photo)?;
    let side = f64::from(photo.width.max(photo.height)) * setup.params.float("style_scale");
    let paintings = setup
        .paintings
        .iter()
        .map(|(painting, weight)| {
            let painting = fit_longer_side(painting, (side.round() as u32).max(1));
            Ok((setup.pixels(&painting)?, *weight))
        })
        .collect::<Result<Vec<_>>>()?;
    let kept = match &setup.mask {
        Some(mask) => {
            let mask = setup.pixels(&resize(mask, photo.width, photo.height))?.mean_keepdim(1)?;
            Some((pixels.clone(), mask))
        }
        None => None,
    };
    let mask = kept.as_ref().map(|(_, mask)| mask);
    let objective = Objective::new(setup.model.clone(), &pixels, &paintings, &setup.recipe, mask)?;
    Ok((objective, kept))
}

impl Optimisation for Transfer {
    type Seen = Losses;

    const IS_LOSS: bool = true;

    fn params(&self) -> &Params {
        &self.setup.params
    }

    fn look(&mut self, _: &Iteration) -> Result<Look<Losses>> {
        let found = match self.ahead.take() {
            Some(found) => found,
            None => self.objective.evaluate(&self.x, &self.weights())?,
        };
        let figures =
            vec![("loss", found.total), ("content", found.content), ("style", found.style), ("tv", found.tv)];
        let objective = found.total;
        Ok(Look { seen: found, objective, figures, logits: None, probability: None, notes: vec![] })
    }

    fn update(&mut self, found: Losses, iteration: &mut Iteration) -> Result<Vec<String>> {
        self.step(found)?;
        let flat = iteration.watch.is_flat(&self.setup.params, iteration.step);
        if self.is_last_size() || (iteration.step - self.began < self.share() && !flat) {
            return Ok(vec![]);
        }
        self.grow(iteration)?;
        Ok(vec![format!("{}×{}", self.photo.width, self.photo.height)])
    }

    fn verdict(&mut self, iteration: &Iteration, _: &Look<Losses>) -> Option<&'static str> {
        let flat = iteration.watch.is_flat(&self.setup.params, iteration.step);
        if iteration.step >= self.total() {
            Some("steps")
        } else {
            (flat && self.is_last_size()).then_some("plateau")
        }
    }

    fn set(&mut self, params: &Params, _: &Aim, iteration: &mut Iteration, seen: &mut Option<Losses>) -> Result<()> {
        let before = self.weights();
        self.setup.params = params.clone();
        if self.weights() != before {
            // Losses and curvature of the old weights say nothing of the new ones.
            iteration.watch.forget();
            if let Optimiser::Lbfgs(lbfgs) = &mut self.optimiser {
                *lbfgs = Lbfgs::default();
                *seen = seen.take().map(|_| self.objective.evaluate(&self.x, &self.weights())).transpose()?;
            }
        }
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let last = self.setup.sizes.last().copied().unwrap_or_default();
        let result = self.result()?;
        Ok(View {
            input: Some(self.photo.clone()),
            cropped: !self.setup.model.input().any_size,
            result: Some(if self.is_last_size() { result } else { fit_longer_side(&result, last) }),
            ..View::default()
        })
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = Map::new();
        facts.insert("result_losses".into(), self.losses());
        facts.insert("sizes".into(), json!(self.setup.sizes));
        let names = |layers: &[(LayerName, f64)]| json!(layers.iter().map(|(l, _)| l.as_str()).collect::<Vec<_>>());
        facts.insert("content_layers".into(), names(&self.setup.recipe.content));
        facts.insert("style_layers".into(), names(&self.setup.recipe.style));
        facts
    }

    fn save(&self) -> State {
        let state = State::default().with("x", &self.x).with("average", &self.average.0);
        let state = state.with_value("average_weight", self.average.1).with_value("scale", self.scale);
        let state = state.with_value("began", self.began);
        match &self.optimiser {
            Optimiser::Adam(adam) => state.with_adam(adam),
            Optimiser::Lbfgs(lbfgs) => lbfgs
                .pairs()
                .enumerate()
                .fold(state, |state, (i, (s, y))| state.with(&format!("move{i}"), s).with(&format!("change{i}"), y)),
        }
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.scale = state.value("scale")?;
        if self.scale >= self.setup.sizes.len() {
            return Err(State::foreign());
        }
        self.enter()?;
        self.x = state.tensor("x")?;
        self.average = (state.tensor("average")?, state.value("average_weight")?);
        self.began = state.value("began")?;
        self.ahead = None;
        self.optimiser = match &self.optimiser {
            Optimiser::Adam(_) => Optimiser::Adam(state.adam()?),
            Optimiser::Lbfgs(_) => {
                let pair = |i: usize| {
                    let tensor = |name: &str| state.tensors.get(&format!("{name}{i}")).cloned();
                    Some((tensor("move")?, tensor("change")?))
                };
                Optimiser::Lbfgs(Lbfgs::with_pairs((0..).map_while(pair).collect()))
            }
        };
        Ok(())
    }
}
