//! Pictures grown by Adam on their parameterisation, seen through random transformations.

use super::super::classifier::probability;
use super::super::pixels::picture_from_pixels;
use super::super::stopping::{self, Watch};
use super::goal::{Goal, Seen, look};
use crate::error::Result;
use crate::imaging::montage;
use crate::model::Model;
use crate::optim::{Adam, Basis, Parameterisation, Transforms, Warp, step_rng, total_variation};
use crate::techniques::api::{Aim, Job, ParamSpec, Params, Progress, State, View};
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
    ParamSpec::int("pad", [0, 112], 12, "grey border that random shifts may show (lucid)").in_unit("px");
pub(super) const SCALE: ParamSpec =
    ParamSpec::float("scale", [0.0, 0.9], 0.4, "largest random change of size, as a share (lucid)");
pub(super) const ROTATE: ParamSpec =
    ParamSpec::float("rotate", [0.0, 180.0], 15.0, "largest random turn (lucid)").in_unit("°");
pub(super) const TV_WEIGHT: ParamSpec =
    ParamSpec::float("tv_weight", [0.0, 1e6], 0.0, "weight of the penalty on total variation (lucid)");

/// What makes the goals of a growth from what can be steered.
pub(super) type Goals = Box<dyn Fn(&Params, &Aim) -> Result<Vec<Goal>> + Send>;

/// What a growth says of itself in `run.json`.
pub(super) type Facts = Box<dyn Fn(&Params, &Aim) -> Map<String, Value> + Send>;

/// Ascent on the scores of `goals`, one picture each.
pub(super) struct Growth {
    pub model: Arc<Model>,
    pub make_goals: Goals,
    pub facts: Facts,
    pub params: Params,
    pub aim: Aim,
    pub seed: u64,
    pub parameterisation: Parameterisation,
    pub size: (usize, usize),
    goals: Vec<Goal>,
    x: Tensor,
    adam: Adam,
    gradient: Option<Tensor>,
    step: usize,
    watch: Watch,
    stopped: Option<&'static str>,
}

/// Where a growth begins.
pub(super) struct Soil {
    pub model: Arc<Model>,
    pub params: Params,
    pub aim: Aim,
    pub seed: u64,
    /// Height and width of each picture.
    pub size: (usize, usize),
    /// Pixels `[1, 3, H, W]` to start from instead of noise.
    pub init: Option<Tensor>,
}

impl Growth {
    pub fn start(soil: Soil, make_goals: Goals, facts: Facts) -> Result<Self> {
        let Soil { model, params, aim, seed, size, init } = soil;
        let basis = match params.choice("basis") {
            "pixels" => Basis::Pixels,
            _ => Basis::Fourier { decay: params.float("decay") },
        };
        let decorrelated = params.choice("colours") == "decorrelated";
        let parameterisation = Parameterisation::new(basis, decorrelated, size, model.device())?;
        let goals = make_goals(&params, &aim)?;
        for goal in &goals {
            goal.check(&model, size)?;
        }
        // Stream 0 of the seed is the start, streams from 1 on are the steps.
        let x = match init {
            Some(pixels) => {
                let one = parameterisation.parameters(&pixels)?;
                Tensor::cat(&vec![one; goals.len()], 0)?
            }
            None => parameterisation.random(goals.len(), &mut step_rng(seed, 0))?,
        };
        Ok(Self {
            adam: Adam::new(&x)?,
            model,
            make_goals,
            facts,
            params,
            aim,
            seed,
            parameterisation,
            size,
            goals,
            x,
            gradient: None,
            step: 0,
            watch: Watch::default(),
            stopped: None,
        })
    }

    /// What the model sees of the pictures at this step, and the gradient at their parameters.
    fn look(&self) -> Result<(Seen, f64, Tensor)> {
        let number = |name| self.params.float(name);
        let transforms = Transforms {
            pad: self.params.count("pad"),
            jitter: number("jitter"),
            scale: number("scale"),
            rotate: number("rotate"),
        };
        let mut rng = step_rng(self.seed, self.step + 1);
        let warp = Warp::random(&transforms, self.size, self.size, &mut rng, self.model.device())?;
        let pixels = self.parameterisation.pixels(&self.x)?;
        let preprocess = self.model.input();
        let inputs = preprocess.input_from_pixels(&warp.apply(&pixels)?)?;
        let diversity = if self.params.get("diversity").is_some() { number("diversity") } else { 0.0 };
        let seen = look(&self.model, &inputs, &self.goals, diversity)?;
        let at_pixels = warp.pull(&preprocess.gradient_at_pixels(&seen.gradient)?)?;
        let (tv, smoothing) = total_variation(&pixels)?;
        let at_pixels = (at_pixels - (smoothing * number("tv_weight"))?)?;
        let gradient = self.parameterisation.pull(&pixels, &at_pixels)?;
        Ok((seen, tv, gradient))
    }
}

impl Job for Growth {
    fn step(&mut self) -> Result<Progress> {
        if let Some(gradient) = self.gradient.take() {
            self.x = self.adam.step(&self.x, &gradient.neg()?, self.params.float("step_size"))?;
            self.step += 1;
        }
        let (seen, tv, gradient) = self.look()?;
        self.gradient = Some(gradient);
        let score = seen.scores.iter().sum::<f64>() / seen.scores.len() as f64;
        self.watch.see(self.step, -score);
        let mut figures = vec![("score", score), ("tv", tv)];
        if self.params.get("diversity").is_some() && self.goals.len() > 1 {
            figures.push(("likeness", seen.alike));
        }
        let p = seen.logits.as_ref().zip(self.aim.class).map(|(logits, class)| probability(logits, class));
        if let Some(p) = p {
            figures.push(("p_class", f64::from(p)));
        }
        self.stopped = stopping::reason(&self.params, self.step, Some(&self.watch), p);
        Ok(Progress {
            step: self.step,
            total: self.params.count("steps"),
            figures,
            logits: seen.logits,
            done: self.stopped.is_some(),
            ..Progress::default()
        })
    }

    fn set(&mut self, params: &Params, aim: &Aim) -> Result<()> {
        if *aim != self.aim {
            let goals = (self.make_goals)(params, aim)?;
            for goal in &goals {
                goal.check(&self.model, self.size)?;
            }
            self.goals = goals;
            self.aim = aim.clone();
            self.watch.forget();
        }
        self.params = params.clone();
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let pixels = self.parameterisation.pixels(&self.x)?;
        let pictures =
            (0..pixels.dim(0)?).map(|i| picture_from_pixels(&pixels.narrow(0, i, 1)?)).collect::<Result<Vec<_>>>()?;
        let result = if pictures.len() == 1 { pictures[0].clone() } else { montage(&pictures) };
        Ok(View { result: Some(result), ..View::default() })
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = (self.facts)(&self.params, &self.aim);
        facts.insert("stopped_by".into(), self.stopped.into());
        facts
    }

    fn save_state(&self) -> Option<State> {
        let (mean, variance, updates) = self.adam.moments();
        let state = State::default().with("x", &self.x).with("mean", mean).with("variance", variance);
        let state = state.with_some("gradient", self.gradient.as_ref());
        Some(self.watch.save(state.with_value("updates", updates).with_value("step", self.step)))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.x = state.tensor("x")?;
        self.adam = Adam::resumed(state.tensor("mean")?, state.tensor("variance")?, state.value("updates")?);
        self.gradient = state.tensors.get("gradient").cloned();
        self.step = state.value("step")?;
        self.watch = Watch::load(state)?;
        Ok(())
    }
}
