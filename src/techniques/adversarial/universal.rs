//! One perturbation that fools the model on many photos.

use super::super::classifier::{classify, finite, logits_and_gradient, logits_of, seen_by};
use super::super::optimisation::{Iteration, Look, Optimisation, OptimisationJob};
use super::super::stopping::{PLATEAU, early};
use super::budget::{EPSILON, STEP_SIZE};
use super::change::{Norms, magnified};
use super::criterion::Criterion;
use super::loss::Loss;
use super::norm::Norm;
use crate::error::{Error, Result};
use crate::imaging::{Array, Picture, montage};
use crate::model::{Model, Output, top_class};
use crate::techniques::api::{
    Aim, Context, Finding, Group, Job, Need, Needs, ParamSpec, Params, State, Technique, View,
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
        let output = model.info.classes()?.clone();
        let target = context.target.map(|target| output.labels.check(target)).transpose()?;
        let mut photos = vec![];
        for picture in std::iter::once(&first).chain(&context.others) {
            let (seen, input) = seen_by(&model, picture)?;
            let logits = finite(&model, logits_of(&model, &input)?)?;
            let criterion = Criterion::new(&output, &logits, top_class(&logits), target);
            photos.push(AttackedPhoto { seen, criterion, fooled: false });
        }
        let nothing = model.input().pixels_from_picture(&photos[0].seen, model.device())?.zeros_like()?;
        let (change, momentum) = (nothing.clone(), nothing);
        Ok(Box::new(OptimisationJob::new(UniversalPerturbation {
            model,
            output,
            params,
            target,
            photos,
            change,
            momentum,
        })))
    }
}

struct AttackedPhoto {
    /// As the model sees it.
    seen: Picture,
    criterion: Criterion,
    /// Whether it fooled when it was last looked at.
    fooled: bool,
}

/// The perturbation and the photos it is for.
struct UniversalPerturbation {
    model: Arc<Model>,
    output: Output,
    params: Params,
    target: Option<usize>,
    photos: Vec<AttackedPhoto>,
    /// δ `[1, C, H, W]`.
    change: Tensor,
    momentum: Tensor,
}

impl UniversalPerturbation {
    fn batches(&self) -> usize {
        self.photos.len().div_ceil(BATCH)
    }

    fn fooled(&self) -> f64 {
        self.photos.iter().filter(|p| p.fooled).count() as f64 / self.photos.len() as f64
    }

    fn fooled_enough(&self) -> bool {
        self.fooled() >= self.params.float("enough")
    }

    fn pass_ends(&self, step: usize) -> bool {
        step > 0 && step.is_multiple_of(self.batches())
    }

    fn pixels(&self, photo: &AttackedPhoto) -> Result<Tensor> {
        let pixels = self.model.input().pixels_from_picture(&photo.seen, self.change.device())?;
        Ok((pixels + &self.change)?)
    }

    /// The photo with the perturbation as it would be saved.
    fn perturbed(&self, photo: &AttackedPhoto) -> Result<Picture> {
        self.model.input().picture_from_pixels(&self.pixels(photo)?)
    }

    /// Looks at the next few photos; their mean margin, and the gradient of the sum over those not fooled.
    fn margins(&mut self, step: usize) -> Result<(f64, Tensor)> {
        let at = step % self.batches() * BATCH;
        let end = (at + BATCH).min(self.photos.len());
        let pixels = self.photos[at..end]
            .iter()
            .map(|photo| Ok(self.pixels(photo)?.clamp(0f32, 1f32)?))
            .collect::<Result<Vec<_>>>()?;
        let input = self.model.input();
        let mut total = 0.0;
        let (output, photos) = (&self.output, &mut self.photos[at..end]);
        let (_, gradient) =
            logits_and_gradient(&self.model, &input.input_from_pixels(&Tensor::cat(&pixels, 0)?)?, |all| {
                let mut seeds = vec![];
                for (photo, logits) in photos.iter_mut().zip(all) {
                    let (margin, seed) = Loss::Margin.at(output, logits, &photo.criterion);
                    total += margin;
                    photo.fooled = photo.criterion.is_met(output, logits);
                    seeds.extend(if photo.fooled { vec![0.0; seed.len()] } else { seed });
                }
                seeds
            })?;
        let gradient = input.gradient_at_pixels(&gradient)?.sum_keepdim(0)?;
        Ok((total / (end - at) as f64, gradient))
    }
}

impl Optimisation for UniversalPerturbation {
    type Seen = Tensor;

    fn params(&self) -> &Params {
        &self.params
    }

    fn total(&self) -> usize {
        self.params.count("passes") * self.batches()
    }

    fn look(&mut self, iteration: &Iteration) -> Result<Look<Tensor>> {
        let (margin, gradient) = self.margins(iteration.step)?;
        let fooled = self.fooled();
        let note = || format!("{:.0} % fooled", 100.0 * fooled);
        Ok(Look {
            seen: gradient,
            objective: -margin,
            figures: vec![("fooled", fooled), ("margin", margin)],
            logits: None,
            probability: None,
            notes: self.pass_ends(iteration.step).then(note).into_iter().collect(),
        })
    }

    fn update(&mut self, gradient: Tensor, _: &mut Iteration) -> Result<Vec<String>> {
        let epsilon = self.params.float("epsilon") as f32;
        self.momentum = ((&self.momentum * MOMENTUM)? + gradient)?;
        let moved = (&self.change + (Norm::Linf.direction(&self.momentum)? * self.params.float("step_size"))?)?;
        self.change = moved.clamp(-epsilon, epsilon)?;
        Ok(vec![])
    }

    fn verdict(&mut self, iteration: &Iteration, _: &Look<Tensor>) -> Option<&'static str> {
        if self.pass_ends(iteration.step) && self.fooled_enough() {
            Some("enough are fooled")
        } else if iteration.step >= self.total() {
            Some("steps")
        } else {
            early(&self.params, iteration.step, &iteration.watch, None)
        }
    }

    fn finish(&mut self, look: &mut Look<Tensor>) -> Result<()> {
        // From here on what counts are the pictures as they would be saved.
        let fooled = |photo: &AttackedPhoto| -> Result<bool> {
            Ok(photo.criterion.is_met(&self.output, &classify(&self.model, &self.perturbed(photo)?)?))
        };
        let fooled = self.photos.iter().map(fooled).collect::<Result<Vec<_>>>()?;
        self.photos.iter_mut().zip(fooled).for_each(|(photo, fooled)| photo.fooled = fooled);
        look.figures[0].1 = self.fooled();
        Ok(())
    }

    fn set(&mut self, params: &Params, _: &Aim, _: &mut Iteration, _: &mut Option<Tensor>) -> Result<()> {
        self.params = params.clone();
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let shown = self.photos.iter().take(SHOWN).map(|p| self.perturbed(p)).collect::<Result<Vec<_>>>()?;
        let first = &self.photos[0].seen;
        let grey = Picture::new(first.width, first.height, vec![128; first.rgb.len()]);
        let on_grey = self.model.input().picture_from_pixels(&(&self.change + 128.0 / 255.0)?)?;
        let (perturbation, factor) = magnified(&grey, &on_grey);
        let mut found = Norms::of(&grey, &on_grey, self.model.input().pixel_channels()).findings();
        found.push(Finding::new("magnified", format!("× {factor}")));
        let fooled = format!("{:.0} % of {}", 100.0 * self.fooled(), self.photos.len());
        found.push(Finding::new("fooled", fooled));
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
        facts.insert("success".into(), self.fooled_enough().into());
        facts.insert("sources".into(), json!(self.photos.iter().map(|p| p.criterion.source).collect::<Vec<_>>()));
        facts
    }

    fn save(&self) -> State {
        let fooled: Vec<bool> = self.photos.iter().map(|p| p.fooled).collect();
        let state = State::default().with("change", &self.change).with("momentum", &self.momentum);
        state.with_value("fooled", fooled)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.change, self.momentum) = (state.tensor("change")?, state.tensor("momentum")?);
        let fooled: Vec<bool> = state.value("fooled")?;
        self.photos.iter_mut().zip(fooled).for_each(|(photo, fooled)| photo.fooled = fooled);
        Ok(())
    }
}
