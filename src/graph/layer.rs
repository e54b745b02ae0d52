//! Named layers.

use super::value::rows_of;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The name of a layer: `input`, `logits`, or what the architecture calls it (`blocks.4.2`, `relu3_1`, …).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerName(String);

impl LayerName {
    /// The network's input.
    pub const INPUT: &'static str = "input";
    /// A classifier's output before the softmax, shape `[N, classes, 1, 1]`.
    pub const LOGITS: &'static str = "logits";

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LayerName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<String> for LayerName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl std::fmt::Display for LayerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One named layer, as `gradlens layers` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Its name.
    pub name: LayerName,
    /// Its kind in words.
    pub kind: Cow<'static, str>,
    /// Channels, height and width of its output; of tokens the channels, their number and 1.
    pub shape: [usize; 3],
    /// Of tokens that stand for patches of the picture: rows and columns of patches. Tokens before those, as a class token,
    /// have no place.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grid: Option<[usize; 2]>,
}

impl LayerInfo {
    /// Whether its output has places to point at and is not the input. Tokens, listed as maps of width 1, have some where
    /// they stand for patches.
    #[must_use]
    pub fn is_spatial(&self) -> bool {
        self.grid.is_some() || self.is_map()
    }

    /// Whether its output is a map with places and is not the input. A single row of a single channel is a vector.
    #[must_use]
    pub fn is_map(&self) -> bool {
        let vector = self.shape[..2] == [1, 1];
        self.shape[2] > 1 && !vector && self.name.as_str() != LayerName::INPUT
    }
}

/// The maps `[N, C, H, W]` as which a layer of any shape is tapped, seeded and listed: tokens `[N, T, C]` are maps of
/// height T and width 1, vectors `[N, C]` of one pixel.
pub(super) fn as_maps(shape: &[usize]) -> [usize; 4] {
    match *shape {
        [n, c, h, w] => [n, c, h, w],
        _ => rows_of(shape),
    }
}
