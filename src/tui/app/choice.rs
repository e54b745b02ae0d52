//! What the person has chosen: what the next run is about. What one technique has no use for stays for the next that has.

use super::models::{KnownModels, model_of};
use crate::engine::{Compared, JobSpec, Source, Task};
use crate::imaging::samples::PHOTOS;
use crate::model::ModelRef;
use crate::model::read::ReadOptions;
use crate::techniques::{Need, ParamKind, ParamSpec, ParamValue, TECHNIQUES, Technique};
use std::collections::{BTreeMap, HashMap};

pub(in crate::tui) struct Choice {
    /// An index of [`TECHNIQUES`].
    technique: usize,
    spec: JobSpec,
    /// The model that class, target and layer are of.
    aimed_at: ModelRef,
    /// The model before the one that was asked for last and has not been read yet.
    model_before: Option<ModelRef>,
    /// Parameters changed by the person, a technique at a time.
    settings: HashMap<&'static str, BTreeMap<String, ParamValue>>,
}

impl Choice {
    /// What a job was asked to be.
    pub fn new(mut spec: JobSpec) -> Self {
        let technique = position(&spec.technique).unwrap_or(0);
        let aimed_at = model_of(&spec, TECHNIQUES[technique]);
        if spec.weights.is_some() {
            // Weights belong to the model that they were given for.
            spec.model = Some(aimed_at.name.clone());
        }
        let settings = HashMap::from([(TECHNIQUES[technique].id(), spec.set.clone())]);
        Self { technique, spec, aimed_at, model_before: None, settings }
    }

    /// Takes over what somebody else has begun. Whether that is another technique than before is the answer.
    pub fn adopt(&mut self, spec: JobSpec) -> bool {
        let before = (self.technique, self.spec.picture.take(), std::mem::take(&mut self.spec.styles));
        let mut settings = std::mem::take(&mut self.settings);
        let spec = JobSpec {
            picture: spec.picture.clone().or(before.1),
            styles: if spec.styles.is_empty() { before.2 } else { spec.styles.clone() },
            delivery: None,
            task: if spec.task.is_score() { Task::Run } else { spec.task.clone() },
            changes: vec![],
            until: None,
            ..spec
        };
        *self = Self::new(spec);
        settings.extend(self.settings.drain());
        self.settings = settings;
        self.technique != before.0
    }

    /// A run that was asked for has begun: by now it is known which classes its names mean.
    pub fn learn_classes(&mut self, begun: JobSpec) {
        for (own, begun) in [(&mut self.spec.class, begun.class), (&mut self.spec.target, begun.target)] {
            if own.is_some() && begun.is_some() {
                *own = begun;
            }
        }
    }

    pub fn technique(&self) -> &'static dyn Technique {
        TECHNIQUES[self.technique]
    }

    /// The technique's place in [`TECHNIQUES`].
    pub fn place(&self) -> usize {
        self.technique
    }

    /// Goes to the technique at a place; a comparison was about the one before.
    pub fn go_to(&mut self, place: usize) {
        self.spec.task = Task::Run;
        self.technique = place;
    }

    pub fn picture(&self) -> Option<&Source> {
        self.spec.picture.as_ref()
    }

    pub fn style(&self) -> Option<&Source> {
        self.spec.styles.first()
    }

    pub fn layer(&self) -> Option<&str> {
        self.spec.layer.as_deref()
    }

    /// Whether maps are to be made side by side.
    pub fn is_comparison(&self) -> bool {
        self.spec.task.is_compare()
    }

    /// Another photo, which speaks for itself.
    pub fn set_picture(&mut self, picture: Source) {
        (self.spec.picture, self.spec.class) = (Some(picture), None);
    }

    /// Another model; what was chosen of the one before goes when the next run begins. The answer is a sentence about that.
    pub fn set_model(&mut self, model: ModelRef) -> Option<String> {
        let chosen = [
            ("class", self.spec.class.is_some()),
            ("target", self.spec.target.is_some()),
            ("layer", self.spec.layer.is_some()),
        ];
        let chosen: Vec<&str> = chosen.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        let gone = !chosen.is_empty() && model != self.aimed_at;
        let gone = gone.then(|| {
            format!("{} chosen for {} is not asked of {}", chosen.join(" and "), self.aimed_at.name, model.name)
        });
        let before = model_of(&self.spec, self.technique());
        self.model_before.get_or_insert(before);
        self.put_model(model);
        if self.spec.task.is_compare() {
            self.spec.task = Task::Run;
        }
        gone
    }

    fn put_model(&mut self, model: ModelRef) {
        (self.spec.model, self.spec.weights, self.spec.reading) = (Some(model.name), model.weights, model.reading);
    }

    /// The model has been read.
    pub fn keep_model(&mut self) {
        self.model_before = None;
    }

    /// The model cannot be read: back to the one before.
    pub fn return_to_model(&mut self) {
        if let Some(before) = self.model_before.take() {
            self.put_model(before);
        }
    }

    pub fn set_style(&mut self, style: Source) {
        self.spec.styles = vec![style];
    }

    /// Maps to be made side by side; none for one map.
    pub fn set_comparison(&mut self, maps: Vec<Compared>) {
        self.spec.task = if maps.is_empty() { Task::Run } else { Task::Compare(maps) };
    }

    pub fn set_class(&mut self, class: usize, models: &KnownModels) {
        self.aim(models);
        self.spec.class = Some(class.into());
    }

    /// The class to be mistaken for; any at all if there is none.
    pub fn set_target(&mut self, target: Option<usize>, models: &KnownModels) {
        self.aim(models);
        self.spec.target = target.map(Into::into);
    }

    pub fn set_layer(&mut self, layer: String, models: &KnownModels) {
        self.aim(models);
        self.spec.layer = Some(layer);
    }

    /// What is chosen from here on is of the present model; what was chosen of another goes.
    fn aim(&mut self, models: &KnownModels) {
        let key = self.model(models);
        if key != self.aimed_at {
            (self.spec.class, self.spec.target, self.spec.layer) = (None, None, None);
            self.aimed_at = key;
        }
    }

    /// What the present technique's parameter has been set to.
    pub fn value(&self, spec: &ParamSpec) -> ParamValue {
        let technique = self.technique();
        let set = self.settings.get(technique.id()).and_then(|settings| settings.get(spec.name));
        set.cloned().or_else(|| technique.defaults().get(spec.name).cloned()).unwrap_or_else(|| spec.default_value())
    }

    pub fn set_value(&mut self, spec: &ParamSpec, value: ParamValue) {
        let settings = self.settings.entry(self.technique().id()).or_default();
        if let ParamKind::Preset { .. } = spec.kind {
            // Another recipe is asked for as it is.
            settings.clear();
        }
        settings.insert(spec.name.to_owned(), value);
    }

    /// The model that the present technique will run on: the person's if it can, else its own.
    pub fn model(&self, models: &KnownModels) -> ModelRef {
        let technique = self.technique();
        let own = JobSpec::default();
        let asked = model_of(&self.spec, technique);
        if models.suit(technique, &asked) { asked } else { model_of(&own, technique) }
    }

    /// The run of the present technique on what is chosen; `predicted` is what its model takes the photo for.
    pub fn job(&self, models: &KnownModels, predicted: Option<usize>) -> JobSpec {
        let technique = self.technique();
        let needs = technique.needs();
        let model = self.model(models);
        let mut spec = self.spec.clone();
        technique.id().clone_into(&mut spec.technique);
        spec.set = self.settings.get(technique.id()).cloned().unwrap_or_default();
        if model != model_of(&spec, technique) {
            (spec.model, spec.weights, spec.reading) = (None, None, ReadOptions::default());
        }
        if model != self.aimed_at {
            (spec.class, spec.target, spec.layer) = (None, None, None);
        }
        if needs.layer == Need::None {
            spec.layer = None;
        }
        if needs.class == Need::Required {
            spec.class = spec.class.or(predicted.or(Some(0)).map(Into::into));
        }
        if needs.target == Need::Required && spec.target.is_none() {
            let count = models.class_count(&model);
            let other = |class: &usize| Some(*class) != predicted && count.is_none_or(|count| *class < count);
            spec.target = [1, 0].into_iter().find(other).map(Into::into);
        }
        if needs.together && spec.others.is_empty() {
            let other = |name: &&str| spec.picture != Some(Source::Sample((*name).to_owned()));
            let names = PHOTOS.iter().map(|photo| photo.name).filter(other);
            spec.others = names.map(|name| Source::Sample(name.to_owned())).collect();
        }
        spec
    }
}

/// The place of a technique in [`TECHNIQUES`].
fn position(id: &str) -> Option<usize> {
    TECHNIQUES.iter().position(|t| t.id() == id)
}
