//! What is known of the models: the dashboard hears of each from the engine, which may be on another machine.

use crate::engine::JobSpec;
use crate::model::{BUILT_IN, ModelInfo, ModelRef, Output, find, usual};
use crate::techniques::{Need, Technique};
use std::sync::Arc;

/// The model that a job runs on.
pub(in crate::tui) fn model_of(spec: &JobSpec, technique: &dyn Technique) -> ModelRef {
    let usual = || usual(BUILT_IN, technique.purpose()).map_or(String::new(), |entry| entry.id.to_owned());
    spec.model_ref(usual)
}

/// The models of the runs so far.
#[derive(Default)]
pub(in crate::tui) struct KnownModels(Vec<(ModelRef, Arc<ModelInfo>)>);

impl KnownModels {
    /// A run on a model has begun.
    pub fn learn(&mut self, which: ModelRef, info: Arc<ModelInfo>) {
        self.0.retain(|(known, _)| *known != which);
        self.0.push((which, info));
    }

    /// Those that were read, the newest last.
    pub fn read(&self) -> impl Iterator<Item = &ModelRef> {
        self.0.iter().map(|(which, _)| which)
    }

    pub fn get(&self, which: &ModelRef) -> Option<&ModelInfo> {
        self.0.iter().find(|(known, _)| known == which).map(|(_, info)| info.as_ref())
    }

    /// Whether a technique can run on a model. One of which nothing is known may say so itself.
    pub fn suit(&self, technique: &dyn Technique, which: &ModelRef) -> bool {
        let needs = technique.needs();
        let has_classes = match self.get(which) {
            Some(info) => info.output.is_some(),
            None => find(BUILT_IN, &which.name).map_or(true, |entry| entry.output.is_some()),
        };
        let has = |role: fn(&ModelInfo) -> bool| self.get(which).is_none_or(role);
        (has_classes || !needs.about_a_class())
            && (has(|info| info.roles.cam.is_some()) || needs.layer == Need::None)
            && (has(|info| !info.roles.style.is_empty()) || needs.style == Need::None)
    }

    /// How many classes a model has, as far as it is known.
    pub fn class_count(&self, which: &ModelRef) -> Option<usize> {
        self.get(which)?.output.as_ref().map(Output::count)
    }
}
