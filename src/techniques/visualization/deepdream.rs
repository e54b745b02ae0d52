//! DeepDream: a photo in which the model finds more and more of what a layer knows.

use super::super::pixels::{picture_from_pixels, pixels_from_picture};
use super::super::stopping::{PLATEAU, Watch};
use super::goal::{Goal, Unit, look};
use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::imaging::{Picture, fit_longer_side, resize};
use crate::model::Model;
use crate::optim::{Corners, bilinear, jitter, step_rng};
use crate::techniques::api::{
    Aim, Context, Group, Job, Need, Needs, ParamSpec, ParamValue, Params, Progress, State, Technique, View,
};
use candle_core::Tensor;
use rand::Rng;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Ascent on the mean square of a layer, x ← clamp(x + s·g/mean|g|), from the smallest octave to the largest; what an
/// octave added to the photo is enlarged and added to the next (Mordvintsev, Olah & Tyka 2015).
pub struct DeepDream;

const PARAMS: &[ParamSpec] = &[
    ParamSpec::int("octaves", [1, 10], 4, "sizes of the picture, from small to full").fixed(),
    ParamSpec::float("octave_scale", [1.05, 3.0], 1.4, "each size over the one before").fixed(),
    ParamSpec::int("octave_steps", [1, 10_000], 20, "updates at each size").in_unit("steps").fixed(),
    ParamSpec::float(
        "step_size",
        [0.0, 1.0],
        0.01,
        "mean change of a pixel in an update, in pixels' range of 0 to 1",
    ),
    ParamSpec::int("channel", [-1, 65_535], -1, "a single channel to be dreamt of; -1 is the whole layer"),
    ParamSpec::int("jitter", [0, 256], 32, "largest random shift before each gradient").in_unit("px"),
    ParamSpec::int("size", [64, 2048], 448, "longer side of the result").in_unit("px").fixed(),
    PLATEAU,
];

impl Technique for DeepDream {
    fn id(&self) -> &'static str {
        "deepdream"
    }
    fn group(&self) -> Group {
        Group::Visualization
    }
    fn about(&self) -> &'static str {
        "a photo in which the model finds more and more of what a layer knows"
    }
    fn definition(&self) -> &'static str {
        "per octave: ascent on mean(A²) of the layer (or the mean of one channel), x ← clamp(x + s·g/mean|g|), the picture shifted at random before each gradient; the detail added so far goes on to the next, 1.4 × larger octave"
    }
    fn reference(&self) -> &'static str {
        "Mordvintsev, Olah & Tyka 2015, \"Inceptionism\", Google Research Blog"
    }
    fn needs(&self) -> Needs {
        Needs { picture: Need::Required, layer: Need::Optional, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn steered(&self) -> &'static [&'static str] {
        &["layer"]
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let what = "a picture: give an image file";
        let picture = context.picture.as_ref().ok_or(Error::Missing { technique: self.id(), what })?;
        let photo = fit_longer_side(picture, params.count("size") as u32);
        let aim = context.aim();
        let mut dream = Dream {
            model: context.model,
            seed: context.seed,
            goal: Goal { layer: LayerName::LOGITS.into(), unit: Unit::Layer, sign: 1.0 },
            x: Tensor::zeros(1, candle_core::DType::F32, &candle_core::Device::Cpu)?,
            photo,
            params,
            octave: 0,
            gradient: None,
            step: 0,
            watch: Watch::default(),
            stopped: None,
        };
        dream.goal = dream.goal(&dream.params, &aim)?;
        let small = dream.size(0);
        dream.goal.check(&dream.model, small)?;
        dream.x = dream.photo_at(small)?;
        Ok(Box::new(dream))
    }
}

struct Dream {
    model: Arc<Model>,
    params: Params,
    seed: u64,
    goal: Goal,
    /// The photo at full size.
    photo: Picture,
    /// The present octave, 0 for the smallest.
    octave: usize,
    /// Pixels `[1, 3, H, W]` at the present octave.
    x: Tensor,
    gradient: Option<Tensor>,
    step: usize,
    watch: Watch,
    stopped: Option<&'static str>,
}

impl Dream {
    fn goal(&self, params: &Params, aim: &Aim) -> Result<Goal> {
        let layer = aim.layer.as_ref().or(self.model.info.roles.dream.as_ref());
        let layer = self.model.layer_or_usual(layer)?;
        let unit = match params.get("channel") {
            Some(ParamValue::Int(c)) if *c >= 0 => Unit::Channel(*c as usize),
            _ => Unit::Layer,
        };
        Ok(Goal { layer, unit, sign: 1.0 })
    }

    /// Height and width of an octave.
    fn size(&self, octave: usize) -> (usize, usize) {
        let below = self.params.count("octaves") - 1 - octave;
        let scale = self.params.float("octave_scale").powi(below as i32);
        let side = |full: u32| ((f64::from(full) / scale).round() as usize).max(1);
        (side(self.photo.height), side(self.photo.width))
    }

    fn photo_at(&self, (height, width): (usize, usize)) -> Result<Tensor> {
        pixels_from_picture(&resize(&self.photo, width as u32, height as u32), self.model.device())
    }

    fn total(&self) -> usize {
        self.params.count("octaves") * self.params.count("octave_steps")
    }

    /// Takes what was added to the photo so far over to the next octave.
    fn grow(&mut self) -> Result<()> {
        let detail = (&self.x - self.photo_at(self.size(self.octave))?)?;
        self.octave += 1;
        let size = self.size(self.octave);
        let detail = bilinear(&detail, size, Corners::Centred)?;
        self.x = (self.photo_at(size)? + detail)?.clamp(0f32, 1f32)?;
        self.watch.forget();
        Ok(())
    }
}

impl Job for Dream {
    fn step(&mut self) -> Result<Progress> {
        let mut notes = vec![];
        if let Some(gradient) = self.gradient.take() {
            let mean = f64::from(gradient.abs()?.mean_all()?.to_scalar::<f32>()?).max(1e-20);
            let moved = (&self.x + (gradient * (self.params.float("step_size") / mean))?)?;
            self.x = moved.clamp(0f32, 1f32)?;
            self.step += 1;
            let due = self.step / self.params.count("octave_steps");
            if due > self.octave && self.step < self.total() {
                self.grow()?;
                let (height, width) = self.size(self.octave);
                notes.push(format!("octave {width}×{height}"));
            }
        }
        let reach = (self.params.count("jitter") as i32).min(self.x.dim(2)?.min(self.x.dim(3)?) as i32 / 2);
        let mut rng = step_rng(self.seed, self.step + 1);
        let (dy, dx) = (rng.random_range(-reach..=reach), rng.random_range(-reach..=reach));
        let preprocess = self.model.input();
        let input = preprocess.input_from_pixels(&jitter(&self.x, dy, dx)?)?;
        let seen = look(&self.model, &input, std::slice::from_ref(&self.goal), 0.0)?;
        self.gradient = Some(jitter(&preprocess.gradient_at_pixels(&seen.gradient)?, -dy, -dx)?);
        self.watch.see(self.step, -seen.scores[0]);
        let patience = self.params.count("plateau");
        let flat = patience > 0 && self.watch.since_improvement(self.step) >= patience;
        let last = self.step >= self.total();
        self.stopped = if last { Some("steps") } else { flat.then_some("plateau") };
        Ok(Progress {
            step: self.step,
            total: self.total(),
            figures: vec![("score", seen.scores[0])],
            logits: None,
            notes,
            done: self.stopped.is_some(),
        })
    }

    fn set(&mut self, params: &Params, aim: &Aim) -> Result<()> {
        let goal = self.goal(params, aim)?;
        goal.check(&self.model, self.size(self.octave))?;
        self.params = params.clone();
        if goal.layer != self.goal.layer || goal.unit != self.goal.unit {
            self.goal = goal;
            self.watch.forget();
        }
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let result = picture_from_pixels(&self.x)?;
        let result = resize(&result, self.photo.width, self.photo.height);
        Ok(View { input: Some(self.photo.clone()), result: Some(result), ..View::default() })
    }

    fn facts(&self) -> Map<String, Value> {
        let layer = ("layer".to_owned(), self.goal.layer.to_string().into());
        Map::from_iter([layer, ("stopped_by".to_owned(), self.stopped.into())])
    }

    fn save_state(&self) -> Option<State> {
        let state = State::default().with("x", &self.x).with_some("gradient", self.gradient.as_ref());
        Some(self.watch.save(state.with_value("octave", self.octave).with_value("step", self.step)))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.x = state.tensor("x")?;
        self.gradient = state.tensors.get("gradient").cloned();
        (self.octave, self.step) = (state.value("octave")?, state.value("step")?);
        self.watch = Watch::load(state)?;
        Ok(())
    }
}
