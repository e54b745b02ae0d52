//! Architectures for checkpoints, which bring no graph: torchvision's and timm's classifiers without their weights, as
//! `weights/architectures.py` packs them.

use flate2::read::DeflateDecoder;
use serde::Deserialize;
use std::io::Read;
use std::sync::LazyLock;

static PACKED: &[u8] = include_bytes!("../../../weights/architectures.zoo");
/// What the file begins with; the number of bytes of the index follows.
const MAGIC: &[u8; 8] = b"GLZOO1\n\0";

static INDEX: LazyLock<Index> = LazyLock::new(|| index(PACKED).expect("the file inside the program is whole"));

#[derive(Deserialize)]
struct Index {
    architectures: Vec<Architecture>,
    #[serde(skip)]
    graphs: usize,
}

/// A network without weights.
#[derive(Debug, Clone, Deserialize)]
pub struct Architecture {
    /// Its name in its library.
    pub name: String,
    /// Other names of the same network.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// `timm` or `torchvision`.
    pub library: String,
    /// How its library feeds it.
    pub input: Preprocessing,
    /// The tensors whose first extent is the number of classes.
    pub head: Vec<String>,
    /// The kernel that reads the picture: its second extent is the number of channels.
    pub first: Option<String>,
    /// Every tensor that it reads, with its shape for 10 classes and 3 channels, in the order of the state dict.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// What it computes with a formula's weights.
    pub figures: Figures,
    offset: usize,
    length: usize,
    unpacked: usize,
}

/// How a library feeds a network, in the words of timm's `pretrained_cfg`.
#[derive(Debug, Clone, Deserialize)]
pub struct Preprocessing {
    /// Height and width in pixels.
    pub size: [usize; 2],
    /// Subtracted from the channels in `[0, 1]`, red first.
    pub mean: Vec<f32>,
    /// What they are divided by then.
    pub std: Vec<f32>,
    /// The share of the resized photo's shorter side that is kept.
    pub crop_pct: f32,
    /// How photos are resampled.
    pub interpolation: String,
    /// What becomes of a photo of another shape.
    pub crop_mode: String,
}

/// What PyTorch computes in float64 with weights and picture from [`crate::model::formula`].
#[derive(Debug, Clone, Deserialize)]
pub struct Figures {
    /// Height and width of the picture.
    pub size: [usize; 2],
    /// The first logits.
    pub logits: Vec<f64>,
    /// Euclidean norm of the gradient of logit 3 at the picture.
    pub gradient: f64,
}

fn index(packed: &'static [u8]) -> Option<Index> {
    let rest = packed.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let mut text = Vec::new();
    DeflateDecoder::new(rest.get(..length)?).read_to_end(&mut text).ok()?;
    let mut index: Index = serde_json::from_slice(&text).ok()?;
    index.graphs = packed.len() - rest.len() + length;
    Some(index)
}

/// All of them: the plainest of those that share their tensors first.
#[must_use]
pub fn all() -> &'static [Architecture] {
    &INDEX.architectures
}

impl Architecture {
    /// Whether it goes by that name; what timm writes behind a dot says how weights were trained.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let name = name.rsplit('/').next().unwrap_or(name).split('.').next().unwrap_or(name);
        std::iter::once(&self.name).chain(&self.aliases).any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Its graph as an ONNX model without weights.
    ///
    /// # Panics
    /// Never: the file inside the program is whole, as a test shows.
    #[must_use]
    pub fn graph(&self) -> Vec<u8> {
        let mut graph = Vec::with_capacity(self.unpacked);
        let from = INDEX.graphs + self.offset;
        let packed = PACKED.get(from..from + self.length).unwrap_or_default();
        DeflateDecoder::new(packed).read_to_end(&mut graph).expect("the file inside the program is whole");
        graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_their_tags() {
        let found = |name: &str| all().iter().any(|architecture| architecture.is_called(name));
        assert!(found("resnet18") && found("ResNet50.a1_in1k") && found("timm/tf_efficientnet_b0.ns_jft_in1k"));
        assert!(!found("resnet"));
    }
}
