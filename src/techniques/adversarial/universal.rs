//! One perturbation that fools the model on many photos.

use super::super::classifier::{require_classes, seen_by, top_class};
use super::super::pixels::{picture_from_pixels, pixels_from_picture};
use super::super::stopping::{PLATEAU, Watch, early};
use super::budget::{EPSILON, STEP_SIZE};
use super::findings;
use super::scene::{Goal, Loss, Norm};
use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::imaging::{Array, Picture, montage};
use crate::kernels::ReluRule;
use crate::model::Model;
use crate::techniques::api::{
    Aim, Context, Group, Job, Need, Needs, ParamSpec, Params, Progress, State, Technique, View,
};
use candle_core::{IndexOp, Tensor};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Photos looked at together.
const BATCH: usize = 4;
/// Photos shown.
const SHOWN: usize = 9;
/// How much of the gradients before goes on counting.
const MOMENTUM: f64 = 0.9;

/// Ascent on the margins of the photos that are not yet fooled, by the sign of the running mean of their gradients
/// (stochastic, as in Shafahi et al. 2020, instead of one DeepFool a photo as in Moosavi-Dezfooli et al. 2017).
pub struct Universal;

const PARAMS: &[ParamSpec] = &[
    EPSILON,
    STEP_SIZE,
    ParamSpec::int("passes", [1, 10_000], 10, "times all the photos are gone through"),
    ParamSpec::float("enough", [0.0, 1.0], 0.8, "stop when this share of the photos is fooled after a pass"),
    PLATEAU,
];

impl Technique for Universal {
    fn id(&self) -> &'static str {
        "universal"
    }
    fn group(&self) -> Group {
        Group::Adversarial
    }
    fn about(&self) -> &'static str {
        "one perturbation that fools the model on a whole folder of photos"
    }
    fn definition(&self) -> &'static str {
        "δ ← clamp(δ + α·sign(m), ±ε), m ← 0.9·m + mean over photos not yet fooled of ∂margin(clamp(x + δ))/∂x, four photos at a time"
    }
    fn reference(&self) -> &'static str {
        "Moosavi-Dezfooli et al. 2017, arXiv:1610.08401; stochastic ascent after Shafahi et al. 2020, arXiv:1811.11304"
    }
    fn needs(&self) -> Needs {
        Needs { picture: Need::Required, target: Need::Optional, together: true, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let what = "pictures: give image files or a folder";
        let first = context.picture.ok_or(Error::Missing { technique: self.id(), what })?;
        let model = context.model;
        require_classes(&model)?;
        let mut photos = vec![];
        for picture in std::iter::once(&first).chain(&context.others) {
            let (seen, input) = seen_by(&model, picture)?;
            let source = top_class(&model.graph.logits(&input)?.flatten_all()?.to_vec1::<f32>()?);
            photos.push(Photo { seen, goal: Goal { source, target: context.target }, fooled: false });
        }
        let shape = pixels_from_picture(&photos[0].seen, model.device())?.zeros_like()?;
        Ok(Box::new(Search {
            model,
            params,
            target: context.target,
            photos,
            change: shape.clone(),
            momentum: shape,
            gradient: None,
            step: 0,
            watch: Watch::default(),
            stopped: None,
        }))
    }
}

struct Photo {
    /// As the model sees it.
    seen: Picture,
    goal: Goal,
    /// Whether it fooled when it was last looked at.
    fooled: bool,
}

struct Search {
    model: Arc<Model>,
    params: Params,
    target: Option<usize>,
    photos: Vec<Photo>,
    /// δ `[1, 3, H, W]`.
    change: Tensor,
    momentum: Tensor,
    gradient: Option<Tensor>,
    step: usize,
    watch: Watch,
    stopped: Option<&'static str>,
}

impl Search {
    fn batches(&self) -> usize {
        self.photos.len().div_ceil(BATCH)
    }

    fn fooled(&self) -> f64 {
        self.photos.iter().filter(|p| p.fooled).count() as f64 / self.photos.len() as f64
    }

    /// The photo with the perturbation as it would be saved.
    fn perturbed(&self, photo: &Photo) -> Result<Picture> {
        let pixels = pixels_from_picture(&photo.seen, self.change.device())?;
        picture_from_pixels(&(pixels + &self.change)?)
    }

    /// Looks at the next few photos; their mean margin, and the gradient of the sum over those not fooled.
    fn look(&mut self) -> Result<(f64, Tensor)> {
        let at = self.step % self.batches() * BATCH;
        let end = (at + BATCH).min(self.photos.len());
        let device = self.change.device().clone();
        let pixels = self.photos[at..end]
            .iter()
            .map(|photo| Ok((pixels_from_picture(&photo.seen, &device)? + &self.change)?.clamp(0f32, 1f32)?))
            .collect::<Result<Vec<_>>>()?;
        let preprocess = self.model.input();
        let inputs = preprocess.input_from_pixels(&Tensor::cat(&pixels, 0)?)?;
        let output: LayerName = LayerName::LOGITS.into();
        let activations = self.model.graph.forward(&inputs, std::slice::from_ref(&output))?;
        let logits = activations.logits()?.flatten_from(1)?.to_vec2::<f32>()?;
        let mut total = 0.0;
        let mut seeds = vec![];
        for (photo, logits) in self.photos[at..end].iter_mut().zip(&logits) {
            let (margin, seed) = Loss::Margin.at(logits, &photo.goal);
            total += margin;
            photo.fooled = photo.goal.is_met(logits);
            seeds.extend(if photo.fooled { vec![0.0; seed.len()] } else { seed });
        }
        let seed = Tensor::from_vec(seeds, (end - at, logits[0].len(), 1, 1), &device)?;
        let input = [LayerName::INPUT.into()];
        let gradients = self.model.graph.backward(&activations, &[(output, seed)], &input, ReluRule::Standard)?;
        let gradient = preprocess.gradient_at_pixels(gradients.input()?)?.sum_keepdim(0)?;
        Ok((total / (end - at) as f64, gradient))
    }
}

impl Job for Search {
    fn step(&mut self) -> Result<Progress> {
        if let Some(gradient) = self.gradient.take() {
            let epsilon = self.params.float("epsilon") as f32;
            self.momentum = ((&self.momentum * MOMENTUM)? + gradient)?;
            let moved = (&self.change + (Norm::Linf.direction(&self.momentum)? * self.params.float("step_size"))?)?;
            self.change = moved.clamp(-epsilon, epsilon)?;
            self.step += 1;
        }
        let (margin, gradient) = self.look()?;
        self.gradient = Some(gradient);
        self.watch.see(self.step, -margin);
        let total = self.params.count("passes") * self.batches();
        let mut notes = vec![];
        let pass_ends = self.step > 0 && self.step.is_multiple_of(self.batches());
        if pass_ends {
            notes.push(format!("{:.0} % fooled", 100.0 * self.fooled()));
        }
        self.stopped = if pass_ends && self.fooled() >= self.params.float("enough") {
            Some("enough are fooled")
        } else if self.step >= total {
            Some("steps")
        } else {
            early(&self.params, self.step, Some(&self.watch), None)
        };
        if self.stopped.is_some() {
            // From here on what counts are the pictures as they would be saved.
            let fooled = |photo: &Photo| -> Result<bool> {
                Ok(photo.goal.is_met(&super::super::classify(&self.model, &self.perturbed(photo)?)?))
            };
            let fooled = self.photos.iter().map(fooled).collect::<Result<Vec<_>>>()?;
            self.photos.iter_mut().zip(fooled).for_each(|(photo, fooled)| photo.fooled = fooled);
        }
        Ok(Progress {
            step: self.step,
            total,
            figures: vec![("fooled", self.fooled()), ("margin", margin)],
            logits: None,
            notes,
            done: self.stopped.is_some(),
        })
    }

    fn set(&mut self, params: &Params, _: &Aim) -> Result<()> {
        self.params = params.clone();
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let shown = self.photos.iter().take(SHOWN).map(|p| self.perturbed(p)).collect::<Result<Vec<_>>>()?;
        let first = &self.photos[0].seen;
        let grey = Picture::new(first.width, first.height, vec![128; first.rgb.len()]);
        let on_grey = picture_from_pixels(&(&self.change + 128.0 / 255.0)?)?;
        let (perturbation, factor) = findings::magnified(&grey, &on_grey);
        let mut found = findings::norms(&grey, &on_grey).in_words();
        found.push(("magnified".into(), format!("× {factor}")));
        found.push(("fooled".into(), format!("{:.0} % of {}", 100.0 * self.fooled(), self.photos.len())));
        let change = self.change.i(0)?;
        let values = Array { shape: change.dims().to_vec(), values: change.flatten_all()?.to_vec1()?.into() };
        Ok(View {
            input: Some(first.clone()),
            cropped: true,
            result: Some(if shown.len() == 1 { shown[0].clone() } else { montage(&shown) }),
            perturbation: Some(perturbation),
            perturbation_values: Some(values),
            findings: found,
            ..View::default()
        })
    }

    fn facts(&self) -> Map<String, Value> {
        let fooled = self.photos.iter().filter(|p| p.fooled).count();
        let mut facts = Map::new();
        facts.insert("target".into(), self.target.map(|class| self.model.info.class_fact(class)).into());
        facts.insert("photos".into(), self.photos.len().into());
        facts.insert("fooled".into(), fooled.into());
        facts.insert("fooling_rate".into(), self.fooled().into());
        facts.insert("success".into(), (self.fooled() >= self.params.float("enough")).into());
        facts.insert("sources".into(), json!(self.photos.iter().map(|p| p.goal.source).collect::<Vec<_>>()));
        facts.insert("stopped_by".into(), self.stopped.into());
        facts
    }

    fn save_state(&self) -> Option<State> {
        let state = State::default().with("change", &self.change).with("momentum", &self.momentum);
        let state = state.with_some("gradient", self.gradient.as_ref()).with_value("step", self.step);
        let fooled: Vec<bool> = self.photos.iter().map(|p| p.fooled).collect();
        Some(self.watch.save(state.with_value("fooled", fooled)))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        (self.change, self.momentum) = (state.tensor("change")?, state.tensor("momentum")?);
        self.gradient = state.tensors.get("gradient").cloned();
        self.step = state.value("step")?;
        let fooled: Vec<bool> = state.value("fooled")?;
        self.photos.iter_mut().zip(fooled).for_each(|(photo, fooled)| photo.fooled = fooled);
        self.watch = Watch::load(state)?;
        Ok(())
    }
}
