//! Architectures for checkpoints, which bring no graph: torchvision's and timm's classifiers without their weights, as
//! `weights/architectures.py` packs them.

use flate2::read::DeflateDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Read;
use std::ops::Range;
use std::sync::LazyLock;

static PACKED: &[u8] = include_bytes!("../../../weights/architectures.zoo");
/// What the file begins with; the number of bytes of the index follows.
const MAGIC: &[u8; 8] = b"GLZOO1\n\0";

static INDEX: LazyLock<Index> = LazyLock::new(|| index(PACKED).expect("the file inside the program is whole"));

struct Index {
    architectures: Vec<Architecture>,
    /// Where the graphs begin.
    graphs: usize,
}

/// The tensors of all architectures, a hundred thousand: there only while they are looked at.
#[derive(Debug)]
pub struct Tables(Vec<u8>);

/// The index as the file has it.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    architectures: Vec<&'a RawValue>,
}

/// The part of it that is not taken apart.
#[derive(Deserialize)]
struct Unread<'a> {
    #[serde(borrow)]
    tensors: &'a RawValue,
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
    /// Where its tensors are in the index's text.
    #[serde(skip)]
    tensors: Range<usize>,
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
    /// What the formula's kernels are multiplied by; 1 unless they make the network too steep for float32.
    #[serde(default = "one")]
    pub gain: f64,
    /// The first logits.
    pub logits: Vec<f64>,
    /// Euclidean norm of the gradient of logit 3 at the picture.
    pub gradient: f64,
}

fn one() -> f64 {
    1.0
}

/// The index's text, and where it ends in the file.
fn unpacked(packed: &[u8]) -> Option<(Vec<u8>, usize)> {
    let rest = packed.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let mut text = Vec::new();
    DeflateDecoder::new(rest.get(..length)?).read_to_end(&mut text).ok()?;
    Some((text, packed.len() - rest.len() + length))
}

fn index(packed: &[u8]) -> Option<Index> {
    let (text, graphs) = unpacked(packed)?;
    let all: Text<'_> = serde_json::from_slice(&text).ok()?;
    let one = |own: &RawValue| {
        let mut architecture: Architecture = serde_json::from_str(own.get()).ok()?;
        let unread: Unread<'_> = serde_json::from_str(own.get()).ok()?;
        let start = unread.tensors.get().as_ptr().addr() - text.as_ptr().addr();
        architecture.tensors = start..start + unread.tensors.get().len();
        Some(architecture)
    };
    let architectures = all.architectures.into_iter().map(one).collect::<Option<_>>()?;
    Some(Index { architectures, graphs })
}

/// The tensors of all architectures.
#[must_use]
pub fn tables() -> Tables {
    Tables(unpacked(PACKED).unwrap_or_default().0)
}

/// All of them: the plainest of those that share their tensors first.
#[must_use]
pub fn all() -> &'static [Architecture] {
    &INDEX.architectures
}

impl Architecture {
    /// Every tensor that it reads, with its shape for 10 classes and 3 channels, in the order of the state dict.
    #[must_use]
    pub fn tensors<'a>(&self, tables: &'a Tables) -> Vec<(&'a str, Vec<usize>)> {
        tables.0.get(self.tensors.clone()).and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default()
    }

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

    #[test]
    fn every_architecture_is_whole() {
        let tables = tables();
        for architecture in all() {
            assert!(
                !architecture.tensors(&tables).is_empty() && !architecture.graph().is_empty(),
                "{}",
                architecture.name
            );
        }
    }
}
