//! A model: a network with everything that is known of it. Nothing above this module knows a class count, a size or a
//! number of channels but from here.

mod added;
mod binary;
mod card;
mod catalogue;
mod check;
mod doubt;
pub mod formula;
mod input;
mod labels;
mod open;
mod output;
mod provenance;
pub mod read;
mod roles;
mod tokens;
mod weights;
mod zoo;

pub use crate::imaging::{CropMode, Interpolation, Resize};
pub use added::{Added, Adding, add, added, find_added, remove};
pub use binary::two_logits;
pub use catalogue::{BUILT_IN, Embedded, Entry, Purpose, UNTRAINED, usual};
pub use check::{GradientGap, gradient_gap, last_layer};
pub use input::{ChannelOrder, Input};
pub use labels::Labels;
pub use open::{ModelRef, find, known_output, open};
pub use output::{Output, Prediction, Scores, softmax, top_class};
pub use provenance::{Assumption, Provenance};
pub use roles::Roles;
pub use weights::{Store, Weights, sha256_hex};
pub use zoo::architectures;

use crate::error::{Error, Result};
use crate::graph::{Graph, LayerInfo, LayerName};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A network at hand, on the device to compute on, with what is known of it.
#[derive(Debug, Clone)]
pub struct Model {
    /// The network itself.
    pub graph: Graph,
    /// Everything else, as data.
    pub info: Arc<ModelInfo>,
}

/// What is known of a model: plain data that travels with every run, also to a dashboard on another machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name: the catalogue's id, or what the person called it.
    pub id: String,
    /// How pictures go in.
    pub input: Input,
    /// What its scores mean; `None` where it ends in features.
    pub output: Option<Output>,
    /// Which layers serve as what.
    pub roles: Roles,
    /// The named layers from the input to the output, with their shapes at the usual size.
    pub layers: Vec<LayerInfo>,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl ModelInfo {
    /// What its scores mean.
    ///
    /// # Errors
    /// If it ends in features.
    pub fn classes(&self) -> Result<&Output> {
        self.output.as_ref().ok_or_else(|| Error::bad_value("model", &self.id, self.without_classes()))
    }

    /// Why a network that ends in features is not asked for classes, and what helps.
    #[must_use]
    pub fn without_classes(&self) -> String {
        let outputs = self.provenance.outputs.join(", ");
        let outputs = if outputs.is_empty() { String::new() } else { format!(": one of {outputs}") };
        format!("it has no classes; use a classifier, or give the output that holds its scores (--output{outputs})")
    }

    /// The label of a class, or its number in words where there are none.
    #[must_use]
    pub fn label(&self, class: usize) -> String {
        self.output.as_ref().map_or_else(|| Labels::of_index(class), |output| output.labels.label(class))
    }

    /// A class as `run.json` names it.
    #[must_use]
    pub fn class_fact(&self, class: usize) -> serde_json::Value {
        serde_json::json!({ "index": class, "label": self.label(class) })
    }

    /// The named layers that have places to point at, from the input to the output.
    pub fn spatial_layers(&self) -> impl Iterator<Item = &LayerInfo> {
        self.layers.iter().filter(|l| l.is_spatial())
    }
}

impl Model {
    /// A network with what its architecture says of it. Roles that it does not say are found from the graph.
    ///
    /// # Errors
    /// If the network does not take pictures of its usual size, or a layer with a role does not exist.
    pub fn new(
        id: &str,
        graph: Graph,
        input: Input,
        output: Option<Output>,
        roles: Roles,
        provenance: Provenance,
    ) -> Result<Self> {
        let [height, width] = input.size;
        let mut layers = graph.layers(height, width)?;
        tokens::place(&mut layers, &graph.families());
        if let (Some(output), Some(logits)) = (&output, layers.iter().find(|l| l.name.as_str() == LayerName::LOGITS))
        {
            output.check(logits.shape[0])?;
        }
        let roles = roles.completed(&graph, &layers, output.as_ref().map(Output::count))?;
        roles.check(&graph)?;
        let info = ModelInfo { id: id.to_owned(), input, output, roles, layers, provenance };
        Ok(Self { graph, info: Arc::new(info) })
    }

    /// The model's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.info.id
    }

    /// How pictures go in.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.info.input
    }

    /// The device that holds the weights.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.graph.device()
    }

    /// The layer of that name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the closest names.
    pub fn layer(&self, name: &str) -> Result<LayerName> {
        self.graph.layer(name)
    }

    /// The layer asked for, or the one for class activation maps.
    ///
    /// # Errors
    /// If it does not exist, or the model has none with places to point at.
    pub fn layer_or_usual(&self, layer: Option<&LayerName>) -> Result<LayerName> {
        match (layer, &self.info.roles.cam) {
            (Some(layer), _) => self.layer(layer.as_str()),
            (None, Some(usual)) => Ok(usual.clone()),
            (None, None) => {
                Err(Error::bad_value("layer", "", format!("{} has no layer with places to point at", self.id())))
            }
        }
    }

    /// Values at a layer as it is tapped, `[N, C, H, W]`: those of tokens that stand for patches, on the patches' grid.
    ///
    /// # Errors
    /// If there are other tokens than at the model's usual size.
    pub fn at_places(&self, layer: &LayerName, values: Tensor) -> Result<Tensor> {
        tokens::on_grid(&self.info.layers, layer, values)
    }

    /// The same model, with a word in its provenance where what it says of a few photos makes it doubtful that they go in as it
    /// expects.
    fn doubted(mut self) -> Self {
        let output = self.info.output.as_ref();
        if let Some(doubt) = output.and_then(|output| doubt::of_input(&self.graph, &self.info.input, output)) {
            Arc::make_mut(&mut self.info).provenance.doubt = Some(doubt);
        }
        self
    }

    /// The same model with another network of the same layers.
    #[must_use]
    pub fn with_graph(&self, graph: Graph) -> Self {
        Self { graph, info: self.info.clone() }
    }
}
