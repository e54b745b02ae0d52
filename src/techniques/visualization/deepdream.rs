//! DeepDream: a photo in which the model finds more and more of what a layer knows.

use super::super::optimisation::{Iteration, Look, Optimisation, OptimisationJob};
use super::super::stopping::PLATEAU;
use super::response::{Response, Unit, look};
use crate::error::{Error, Result};
use crate::imaging::{Picture, fit_longer_side, resize};
use crate::model::Model;
use crate::optim::{Corners, bilinear, jitter, step_rng};
use crate::techniques::api::{
    Aim, Context, Group, Job, Need, Needs, ParamSpec, ParamValue, Params, State, Technique, View,
};
use candle_core::Tensor;
use rand::Rng;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Ascent on the mean square of a layer, x ← clamp(x + s·g/mean|g|), from the smallest octave to the largest; what an
/// octave added to the photo is enlarged and added to the next (Mordvintsev, Olah & Tyka 2015). On a model that takes one
/// size only there is one octave, of what the model sees of the photo.
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
        let aim = context.aim();
        let (model, seed) = (context.model, context.seed);
        let any_size = model.input().any_size;
        let (photo, octaves) = if any_size {
            let photo = fit_longer_side(picture, params.count("size") as u32);
            (model.input().coloured(&photo), params.count("octaves"))
        } else {
            (model.input().seen(picture), 1)
        };
        let response = response(&model, &params, &aim)?;
        let sizes = Octaves { photo, count: octaves, scale: params.float("octave_scale") };
        response.check(&model, sizes.size(0))?;
        let x = sizes.pixels(&model, 0)?;
        Ok(Box::new(OptimisationJob::new(Dream { model, params, seed, response, octaves: sizes, octave: 0, x })))
    }
}

/// What is dreamt of.
fn response(model: &Model, params: &Params, aim: &Aim) -> Result<Response> {
    let layer = model.layer_or_usual(aim.layer.as_ref().or(model.info.roles.dream.as_ref()))?;
    let unit = match params.get("channel") {
        Some(ParamValue::Int(c)) if *c >= 0 => Unit::Channel(*c as usize),
        _ => Unit::Layer,
    };
    Ok(Response { layer, unit, sign: 1.0 })
}

/// The photo from small to full size.
struct Octaves {
    /// At full size.
    photo: Picture,
    count: usize,
    /// Each size over the one before.
    scale: f64,
}

impl Octaves {
    /// Height and width of an octave, 0 for the smallest.
    fn size(&self, octave: usize) -> (usize, usize) {
        let scale = self.scale.powi((self.count - 1 - octave) as i32);
        let side = |full: u32| ((f64::from(full) / scale).round() as usize).max(1);
        (side(self.photo.height), side(self.photo.width))
    }

    /// The photo's pixels `[1, C, H, W]` at an octave.
    fn pixels(&self, model: &Model, octave: usize) -> Result<Tensor> {
        let (height, width) = self.size(octave);
        model.input().pixels_from_picture(&resize(&self.photo, width as u32, height as u32), model.device())
    }
}

struct Dream {
    model: Arc<Model>,
    params: Params,
    seed: u64,
    response: Response,
    octaves: Octaves,
    /// The present octave.
    octave: usize,
    /// Pixels `[1, C, H, W]` at the present octave.
    x: Tensor,
}

impl Dream {
    /// Takes what was added to the photo so far over to the next octave.
    fn grow(&mut self) -> Result<()> {
        let detail = (&self.x - self.octaves.pixels(&self.model, self.octave)?)?;
        self.octave += 1;
        let detail = bilinear(&detail, self.octaves.size(self.octave), Corners::Centred)?;
        self.x = (self.octaves.pixels(&self.model, self.octave)? + detail)?.clamp(0f32, 1f32)?;
        Ok(())
    }
}

impl Optimisation for Dream {
    type Seen = Tensor;

    fn params(&self) -> &Params {
        &self.params
    }

    fn total(&self) -> usize {
        self.octaves.count * self.params.count("octave_steps")
    }

    fn look(&mut self, iteration: &Iteration) -> Result<Look<Tensor>> {
        let reach = (self.params.count("jitter") as i32).min(self.x.dim(2)?.min(self.x.dim(3)?) as i32 / 2);
        let mut rng = step_rng(self.seed, iteration.step + 1);
        let (dy, dx) = (rng.random_range(-reach..=reach), rng.random_range(-reach..=reach));
        let input = self.model.input();
        let shifted = input.input_from_pixels(&jitter(&self.x, dy, dx)?)?;
        let found = look(&self.model, &shifted, std::slice::from_ref(&self.response), 0.0)?;
        let gradient = jitter(&input.gradient_at_pixels(&found.gradient)?, -dy, -dx)?;
        let score = found.scores[0];
        let figures = vec![("score", score)];
        let alone = iteration.step == 0 && self.octaves.count < self.params.count("octaves");
        let notes = alone.then(|| "one octave: this model takes one size only".to_owned()).into_iter().collect();
        Ok(Look { seen: gradient, objective: -score, figures, logits: None, probability: None, notes })
    }

    fn update(&mut self, gradient: Tensor, iteration: &mut Iteration) -> Result<Vec<String>> {
        let mean = f64::from(gradient.abs()?.mean_all()?.to_scalar::<f32>()?).max(1e-20);
        let moved = (&self.x + (gradient * (self.params.float("step_size") / mean))?)?;
        self.x = moved.clamp(0f32, 1f32)?;
        let due = iteration.step / self.params.count("octave_steps");
        if due <= self.octave || iteration.step >= self.total() {
            return Ok(vec![]);
        }
        self.grow()?;
        iteration.watch.forget();
        let (height, width) = self.octaves.size(self.octave);
        Ok(vec![format!("octave {width}×{height}")])
    }

    fn set(&mut self, params: &Params, aim: &Aim, iteration: &mut Iteration, _: &mut Option<Tensor>) -> Result<()> {
        let response = response(&self.model, params, aim)?;
        response.check(&self.model, self.octaves.size(self.octave))?;
        self.params = params.clone();
        if response.layer != self.response.layer || response.unit != self.response.unit {
            self.response = response;
            iteration.watch.forget();
        }
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let result = self.model.input().picture_from_pixels(&self.x)?;
        let photo = &self.octaves.photo;
        let result = resize(&result, photo.width, photo.height);
        let cropped = !self.model.input().any_size;
        Ok(View { input: Some(photo.clone()), cropped, result: Some(result), ..View::default() })
    }

    fn facts(&self) -> Map<String, Value> {
        Map::from_iter([("layer".to_owned(), self.response.layer.as_str().into())])
    }

    fn save(&self) -> State {
        State::default().with("x", &self.x).with_value("octave", self.octave)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.x, self.octave) = (state.tensor("x")?, state.value("octave")?);
        Ok(())
    }
}
