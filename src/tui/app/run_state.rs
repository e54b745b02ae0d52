//! The run that is shown.

use super::models::{KnownModels, model_of};
use crate::engine::{JobSpec, Past, Phase, Photo, Snapshot};
use crate::imaging::{Area, Picture};
use crate::model::ModelRef;
use crate::model::{Labels, ModelInfo};
use crate::techniques::{Params, TECHNIQUES, find};
use std::sync::Arc;

#[derive(Default)]
pub(in crate::tui) struct RunState {
    snapshot: Arc<Snapshot>,
    models: KnownModels,
    /// The model of the run that began last.
    model: Option<ModelRef>,
    /// The step that was asked for last.
    asked_step: Option<usize>,
    /// The run that the present one is compared with.
    reference: Option<u64>,
    /// What a model took the present photo for.
    predicted: Option<(ModelRef, usize)>,
}

impl RunState {
    /// The newest snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// How the run stands.
    pub fn phase(&self) -> Phase {
        self.snapshot.course.phase
    }

    /// Whether steps may still come.
    pub fn is_alive(&self) -> bool {
        self.snapshot.course.is_alive()
    }

    /// What is known of the models so far.
    pub fn models(&self) -> &KnownModels {
        &self.models
    }

    /// The model of the present run, once it is known.
    pub fn model(&self) -> Option<&ModelInfo> {
        self.models.get(self.model.as_ref()?)
    }

    /// The label of one of the model's classes.
    pub fn label(&self, class: usize) -> String {
        self.model().map_or_else(|| Labels::of_index(class), |model| model.label(class))
    }

    /// What a model takes the present photo for, as far as it has been asked.
    pub fn predicted(&self, model: &ModelRef) -> Option<usize> {
        self.predicted.as_ref().filter(|(of, _)| of == model).map(|(_, class)| *class)
    }

    /// There is another photo.
    pub fn forget_prediction(&mut self) {
        self.predicted = None;
    }

    /// A run has begun; says whether its model had not been heard of before.
    pub fn begin(&mut self, spec: &JobSpec, info: Arc<ModelInfo>) -> bool {
        let Ok(technique) = find(TECHNIQUES, &spec.technique) else { return false };
        let key = model_of(spec, technique);
        let new = self.models.get(&key).is_none();
        self.models.learn(key.clone(), info);
        self.model = Some(key);
        new
    }

    /// Takes a newer snapshot; `explains_photo` says that its classes are those of the photo at its beginning.
    pub fn update(&mut self, snapshot: Arc<Snapshot>, explains_photo: bool) {
        let first = snapshot.course.top.first().filter(|_| explains_photo && snapshot.course.step <= 1);
        if let (Some(key), Some(first)) = (&self.model, first)
            && self.predicted(key).is_none()
        {
            self.predicted = Some((key.clone(), first.index));
        }
        if snapshot.run != self.snapshot.run || snapshot.course.phase == Phase::Running {
            self.asked_step = None;
        }
        self.snapshot = snapshot;
    }

    /// Shows changed parameters before the engine confirms them.
    pub fn anticipate(&mut self, change: impl FnOnce(&mut Params)) {
        change(&mut Arc::make_mut(&mut self.snapshot).params);
    }

    /// The step that is looked at.
    pub fn looked_at(&self) -> usize {
        self.asked_step.or(self.snapshot.shown).unwrap_or(self.snapshot.course.step)
    }

    /// Looks at a step.
    pub fn look_at(&mut self, step: usize) {
        self.asked_step = Some(step);
    }

    /// The run that the present one is compared with.
    pub fn reference(&self) -> Option<&Past> {
        self.snapshot.past.iter().find(|past| Some(past.run) == self.reference)
    }

    /// Compares the present run with another, or with none. Whether it was compared before is the answer.
    pub fn compare_with(&mut self, run: Option<u64>) -> bool {
        std::mem::replace(&mut self.reference, run).is_some()
    }

    /// The whole photo, and the part of it that the network sees, in its pixels.
    pub fn photo(&self) -> Option<(Picture, Area)> {
        let Photo { picture, size, seen } = self.snapshot.photo.as_ref()?;
        Some((picture.clone(), seen.scaled(f64::from(picture.width) / f64::from(size[0]))))
    }
}
