//! Which layers serve as what.

use crate::error::Result;
use crate::graph::{Graph, LayerInfo, LayerName};
use serde::{Deserialize, Serialize};

/// The layers that techniques turn to unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Roles {
    /// Class activation maps: the last layer with places.
    pub cam: Option<LayerName>,
    /// Style transfer's content.
    pub content: Vec<LayerName>,
    /// Style transfer's style.
    pub style: Vec<LayerName>,
    /// DeepDream: deep enough for things, not yet for whole classes.
    pub dream: Option<LayerName>,
}

impl Roles {
    /// The same with what is missing found from the network's layers.
    #[must_use]
    pub(super) fn completed(mut self, layers: &[LayerInfo]) -> Self {
        let places = |l: &&LayerInfo| l.shape[1] * l.shape[2] > 1 && l.name.as_str() != LayerName::INPUT;
        let spatial: Vec<&LayerInfo> = layers.iter().filter(places).collect();
        self.cam = self.cam.or_else(|| spatial.last().map(|l| l.name.clone()));
        self.dream = self.dream.or_else(|| self.cam.clone());
        if self.style.is_empty() {
            self.style = first_of_each_size(&spatial);
        }
        if self.content.is_empty() {
            self.content = self.style.get(2.min(self.style.len().saturating_sub(1))).cloned().into_iter().collect();
        }
        self
    }

    pub(super) fn check(&self, graph: &Graph) -> Result<()> {
        let mut all = self.cam.iter().chain(&self.content).chain(&self.style).chain(&self.dream);
        all.try_for_each(|layer| graph.layer(layer.as_str()).map(drop))
    }
}

/// The first layer after each halving.
fn first_of_each_size(layers: &[&LayerInfo]) -> Vec<LayerName> {
    let mut found: Vec<LayerName> = vec![];
    let mut smallest = usize::MAX;
    for layer in layers {
        let side = layer.shape[1].min(layer.shape[2]);
        if side < smallest {
            smallest = side;
            found.push(layer.name.clone());
        }
    }
    found
}
