//! Networks: architectures, weights, preprocessing, labels.
//!
//! An architecture is one file that builds a [`Network`] from named tensors, and one line in [`MODELS`].

mod backward;
mod efficientnet_lite0;
pub mod formula;
pub mod labels;
mod network;
mod pass;
mod preprocess;
mod profile;
mod relevance;
mod squeezenet1_1;
mod vgg16;
mod weights;

pub use backward::{Gradients, Seed};
pub use network::{GraphBuilder, LayerInfo, LayerName, Network, NodeId, Op};
pub use pass::Activations;
pub use preprocess::Preprocess;
pub use profile::LayerTiming;
pub use relevance::LrpRule;
pub use weights::{Store, Weights, sha256_hex};

use crate::error::{Error, Result, did_you_mean};
use candle_core::{DType, Device, Tensor};

/// SqueezeNet 1.1 with formula weights: an architecture to time and to check, not a model to use.
///
/// # Errors
/// If candle cannot allocate the weights.
pub fn squeezenet_of_formula(device: &Device) -> Result<Network> {
    squeezenet1_1::build(&Weights::formula().tensors(device)?, device)
}

/// A model the program knows.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Its id on the command line.
    pub id: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Whether it ends in ImageNet's classes.
    pub classifier: bool,
    embedded: &'static [u8],
    build: fn(&Store<'_>, &Device) -> Result<Network>,
}

/// Every model, the default classifier first. A static: a constant would put the weights into every unit that uses it.
pub static MODELS: &[Model] = &[
    Model {
        id: "tf_efficientnet_lite0",
        about: "EfficientNet-Lite0, ImageNet-1k classifier, 224×224, 75.1 % top-1",
        classifier: true,
        embedded: include_bytes!("../../weights/tf_efficientnet_lite0.safetensors"),
        build: efficientnet_lite0::build,
    },
    Model {
        id: "vgg16_hed",
        about: "VGG16 features through conv4_3, fine-tuned for edges, any size, for style and features",
        classifier: false,
        embedded: include_bytes!("../../weights/vgg16_hed.safetensors"),
        build: vgg16::build,
    },
];

impl Model {
    /// The model's weights inside the binary.
    #[must_use]
    pub fn weights(&self) -> Weights {
        Weights::embedded(&format!("{}.safetensors (built in)", self.id), self.embedded)
    }

    /// Builds the network from `weights` on `device`.
    ///
    /// # Errors
    /// [`Error::BadWeights`] if the file is broken or belongs to another architecture.
    pub fn build(&self, weights: &Weights, device: &Device) -> Result<Network> {
        (self.build)(&weights.tensors(device)?, device)
    }
}

/// The model called `id`.
///
/// # Errors
/// [`Error::Unknown`] with the closest ids.
pub fn model(id: &str) -> Result<&'static Model> {
    MODELS.iter().find(|m| m.id == id).ok_or_else(|| {
        let hint = format!("{} `gradlens models` lists them", did_you_mean(id, MODELS.iter().map(|m| m.id)));
        Error::unknown("model", id, hint.trim_start())
    })
}

/// The gradient of logit `class` at the logits of `n` pictures: ones in that class, shape `[n, classes, 1, 1]`.
///
/// # Errors
/// If there is no such class, or candle cannot allocate the tensor.
pub fn class_seed(n: usize, classes: usize, class: usize, device: &Device) -> Result<Tensor> {
    if class >= classes {
        return Err(Error::unknown("class", class.to_string(), format!("indices go from 0 to {}", classes - 1)));
    }
    let mut row = vec![0f32; classes];
    row[class] = 1.0;
    let row = Tensor::from_vec(row, (1, classes, 1, 1), device)?.to_dtype(DType::F32)?;
    Ok(row.broadcast_as((n, classes, 1, 1))?.contiguous()?)
}
