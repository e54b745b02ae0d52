//! What is known of the models: the dashboard hears of each from the engine, which may be on another machine.

use crate::engine::JobSpec;
use crate::model::{BUILT_IN, ModelInfo, Output, find, usual};
use crate::techniques::{Need, Technique};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A model as a job names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::tui) struct ModelKey {
    pub model: String,
    pub weights: Option<PathBuf>,
}

impl ModelKey {
    /// The model that a job runs on.
    pub fn of(spec: &JobSpec, technique: &dyn Technique) -> Self {
        let usual = || usual(BUILT_IN, technique.purpose()).map_or(String::new(), |entry| entry.id.to_owned());
        let model = spec.model.clone().unwrap_or_else(usual);
        Self { model, weights: spec.weights.clone() }
    }
}

/// The models of the runs so far.
#[derive(Default)]
pub(in crate::tui) struct Models(HashMap<ModelKey, Arc<ModelInfo>>);

impl Models {
    /// A run on a model has begun.
    pub fn learn(&mut self, key: ModelKey, info: Arc<ModelInfo>) {
        self.0.insert(key, info);
    }

    pub fn get(&self, key: &ModelKey) -> Option<&ModelInfo> {
        self.0.get(key).map(Arc::as_ref)
    }

    /// Whether a technique can run on a model. One of which nothing is known may say so itself.
    pub fn suit(&self, technique: &dyn Technique, key: &ModelKey) -> bool {
        let needs = technique.needs();
        let has_classes = match self.get(key) {
            Some(info) => info.output.is_some(),
            None => find(BUILT_IN, &key.model).map_or(true, |entry| entry.output.is_some()),
        };
        let has = |role: fn(&ModelInfo) -> bool| self.get(key).is_none_or(role);
        (has_classes || (needs.class, needs.target) == (Need::None, Need::None))
            && (has(|info| info.roles.cam.is_some()) || needs.layer == Need::None)
            && (has(|info| !info.roles.style.is_empty()) || needs.style == Need::None)
    }

    /// How many classes a model has, as far as it is known.
    pub fn class_count(&self, key: &ModelKey) -> Option<usize> {
        self.get(key)?.output.as_ref().map(Output::count)
    }
}
