//! Pictures optimised by Adam on their parameterisation, seen through random transformations.

use super::super::optimisation::{Iteration, Look, Optimisation};
use super::response::{Measured, Response, Unit, look};
use crate::error::Result;
use crate::imaging::montage;
use crate::model::Model;
use crate::optim::{Adam, Basis, Parameterisation, Transforms, Warp, step_rng, total_variation};
use crate::techniques::api::{Aim, ParamSpec, Params, State, View};
use candle_core::Tensor;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) const BASIS: ParamSpec = ParamSpec::choice(
    "basis",
    &["fourier", "pixels"],
    "what is moved: waves over the whole picture, or single pixels (lucid)",
)
.fixed();
pub(super) const DECAY: ParamSpec =
    ParamSpec::float("decay", [0.0, 3.0], 1.3, "finer waves are weaker by 1/frequency to this power (lucid)").fixed();
pub(super) const COLOURS: ParamSpec = ParamSpec::choice(
    "colours",
    &["decorrelated", "rgb"],
    "whether colours move as they occur together in photos, or one by one (lucid)",
)
.fixed();
pub(super) const PAD: ParamSpec =
    ParamSpec::int("pad", [0, 512], 12, "grey border that random shifts may show (lucid)").in_unit("px");
pub(super) const SCALE: ParamSpec =
    ParamSpec::float("scale", [0.0, 0.9], 0.4, "largest random change of size, as a share (lucid)");
pub(super) const ROTATE: ParamSpec =
    ParamSpec::float("rotate", [0.0, 180.0], 15.0, "largest random turn (lucid)").in_unit("°");
pub(super) const TV_WEIGHT: ParamSpec =
    ParamSpec::float("tv_weight", [0.0, 1e6], 0.0, "weight of the penalty on total variation (lucid)");

/// What makes the responses of what can be steered.
pub(super) type Responses = Box<dyn Fn(&Params, &Aim) -> Result<Vec<Response>> + Send>;

/// What is said of it in `run.json`.
pub(super) type Facts = Box<dyn Fn(&Params, &Aim) -> Map<String, Value> + Send>;

/// Ascent on responses, one picture each.
pub(super) struct ImageOptimisation {
    model: Arc<Model>,
    make_responses: Responses,
    facts: Facts,
    params: Params,
    aim: Aim,
    seed: u64,
    parameterisation: Parameterisation,
    size: (usize, usize),
    responses: Vec<Response>,
    x: Tensor,
    adam: Adam,
}

/// Where it begins.
pub(super) struct Start {
    pub model: Arc<Model>,
    pub params: Params,
    pub aim: Aim,
    pub seed: u64,
    /// Height and width of each picture.
    pub size: (usize, usize),
    /// Pixels `[1, C, H, W]` to start from instead of noise.
    pub init: Option<Tensor>,
}

impl ImageOptimisation {
    pub fn new(start: Start, make_responses: Responses, facts: Facts) -> Result<Self> {
        let Start { model, params, aim, seed, size, init } = start;
        let basis = match params.choice("basis") {
            "pixels" => Basis::Pixels,
            _ => Basis::Fourier { decay: params.float("decay") },
        };
        let decorrelated = params.choice("colours") == "decorrelated";
        let channels = model.input().pixel_channels();
        let parameterisation = Parameterisation::new(basis, decorrelated, channels, size, model.device())?;
        let responses = make_responses(&params, &aim)?;
        for response in &responses {
            response.check(&model, size)?;
        }
        // Stream 0 of the seed is the start, streams from 1 on are the steps.
        let x = match init {
            Some(pixels) => {
                let one = parameterisation.parameters(&pixels)?;
                Tensor::cat(&vec![one; responses.len()], 0)?
            }
            None => parameterisation.random(responses.len(), &mut step_rng(seed, 0))?,
        };
        let adam = Adam::new(&x)?;
        Ok(Self { model, make_responses, facts, params, aim, seed, parameterisation, size, responses, x, adam })
    }

    /// What the model makes of the pictures at this step, their total variation, and the gradient at their parameters.
    fn responses_at(&self, step: usize) -> Result<(Measured, f64, Tensor)> {
        let number = |name| self.params.float(name);
        let transforms = Transforms {
            pad: self.params.count("pad"),
            jitter: number("jitter"),
            scale: number("scale"),
            rotate: number("rotate"),
        };
        let mut rng = step_rng(self.seed, step + 1);
        let warp = Warp::random(&transforms, self.size, self.size, &mut rng, self.model.device())?;
        let pixels = self.parameterisation.pixels(&self.x)?;
        let input = self.model.input();
        let inputs = input.input_from_pixels(&warp.apply(&pixels)?)?;
        let diversity = if self.params.get("diversity").is_some() { number("diversity") } else { 0.0 };
        let found = look(&self.model, &inputs, &self.responses, diversity)?;
        let at_pixels = warp.pull(&input.gradient_at_pixels(&found.gradient)?)?;
        let (tv, smoothing) = total_variation(&pixels)?;
        let at_pixels = (at_pixels - (smoothing * number("tv_weight"))?)?;
        let gradient = self.parameterisation.pull(&pixels, &at_pixels)?;
        Ok((found, tv, gradient))
    }
}

impl Optimisation for ImageOptimisation {
    type Seen = Tensor;

    fn params(&self) -> &Params {
        &self.params
    }

    fn look(&mut self, iteration: &Iteration) -> Result<Look<Tensor>> {
        let (found, tv, gradient) = self.responses_at(iteration.step)?;
        let score = found.scores.iter().sum::<f64>() / found.scores.len() as f64;
        let mut figures = vec![("score", score), ("tv", tv)];
        if self.params.get("diversity").is_some() && self.responses.len() > 1 {
            figures.push(("likeness", found.alike));
        }
        let output = self.model.info.output.as_ref().filter(|output| output.has_probabilities());
        let shown = found.logits.as_ref().zip(self.aim.class).zip(output);
        let p = shown.map(|((logits, class), output)| output.probability(logits, class));
        figures.extend(p.map(|p| ("p_class", f64::from(p))));
        let (logits, notes) = (found.logits, vec![]);
        Ok(Look { seen: gradient, objective: -score, figures, logits, probability: p, notes })
    }

    fn update(&mut self, gradient: Tensor, _: &mut Iteration) -> Result<Vec<String>> {
        self.x = self.adam.step(&self.x, &gradient.neg()?, self.params.float("step_size"))?;
        Ok(vec![])
    }

    fn set(&mut self, params: &Params, aim: &Aim, iteration: &mut Iteration, _: &mut Option<Tensor>) -> Result<()> {
        if *aim != self.aim {
            let responses = (self.make_responses)(params, aim)?;
            for response in &responses {
                response.check(&self.model, self.size)?;
            }
            self.responses = responses;
            self.aim = aim.clone();
            iteration.watch.forget();
        }
        self.params = params.clone();
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let pixels = self.parameterisation.pixels(&self.x)?;
        let picture = |i| self.model.input().picture_from_pixels(&pixels.narrow(0, i, 1)?);
        let pictures = (0..pixels.dim(0)?).map(picture).collect::<Result<Vec<_>>>()?;
        let result = if pictures.len() == 1 { pictures[0].clone() } else { montage(&pictures) };
        Ok(View { result: Some(result), ..View::default() })
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = (self.facts)(&self.params, &self.aim);
        let layers = self.responses.iter().filter(|response| !matches!(response.unit, Unit::Class(_)));
        facts.extend(layers.take(1).map(|response| ("layer".to_owned(), response.layer.as_str().into())));
        facts
    }

    fn save(&self) -> State {
        State::default().with("x", &self.x).with_adam(&self.adam)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.x, self.adam) = (state.tensor("x")?, state.adam()?);
        Ok(())
    }
}
