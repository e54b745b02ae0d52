//! Layer randomisation: whether the map depends on what the model has learned.

use super::super::similarity::rank_correlation;
use super::metric::{Case, Measure, Metric};
use crate::error::Result;
use crate::graph::LayerName;
use crate::imaging::HeatMap;
use crate::optim::step_rng;
use std::sync::Arc;

/// The rank correlation of the map with the map of a model whose layers are drawn anew, from the output down, one more
/// at every step (cascading randomisation); weights are normal with the mean and deviation of those they replace. The
/// score is the mean over the steps. A live method makes its first 16 updates on both sides.
pub(super) static METRIC: Metric = Metric {
    id: "randomisation",
    about: "how much the map stays the same when the model's layers are randomised, from the output down",
    definition: "mean rank correlation of the map with that of the model with its last 1, 2, … layers drawn anew",
    reference: "Adebayo et al. 2018, arXiv:1810.03292",
    scores: &["randomisation"],
    start: |case| {
        let mut layers = case.subject.model().graph.parametric_layers();
        layers.reverse();
        Ok(Some(Box::new(Randomisation { layers, original: None, found: vec![] })))
    },
};

struct Randomisation {
    /// From the output down.
    layers: Vec<LayerName>,
    original: Option<HeatMap>,
    found: Vec<f64>,
}

impl Measure for Randomisation {
    fn total(&self) -> usize {
        self.layers.len()
    }

    fn update(&mut self, case: &Case, number: usize) -> Result<Vec<(&'static str, f64)>> {
        let subject = &case.subject;
        if self.original.is_none() {
            self.original = Some(case.again(subject)?.heat);
        }
        let mut rng = step_rng(subject.seed, number);
        let graph = subject.model().graph.randomised(&self.layers[..=number], &mut rng)?;
        let model = Arc::new(subject.model().with_graph(graph));
        let found = case.again(&subject.asked_of(&model, subject.input())?)?.heat;
        // A map that is the same everywhere has no order: nothing of the other's is left.
        let alike = self.original.as_ref().and_then(|original| rank_correlation(original, &found)).unwrap_or(0.0);
        self.found.push(alike);
        Ok(vec![("randomisation", alike)])
    }

    fn scores(&self) -> Vec<(&'static str, f64)> {
        vec![("randomisation", self.found.iter().sum::<f64>() / self.found.len().max(1) as f64)]
    }
}
