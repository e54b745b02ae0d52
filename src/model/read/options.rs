//! What a person may say of a model from outside.

use crate::error::{Error, Result};
use crate::model::{ChannelOrder, CropMode, Interpolation, Scores};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a file does not say, or says wrongly. Fields are named as timm's `pretrained_cfg` does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// Height and width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_size: Option<[usize; 2]>,
    /// Subtracted from pixels, in units of `range` (of `[0, 1]` without), one a channel in the network's order, or one for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// What pixels are divided by then, in the same units, one a channel in the network's order, or one for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f32>>,
    /// The channels and their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<ChannelOrder>,
    /// The share of the resized photo's shorter side that is kept, in (0, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_pct: Option<f32>,
    /// What becomes of a photo of another shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_mode: Option<CropMode>,
    /// How photos are resampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<Interpolation>,
    /// What white is: 1 or 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<f32>,
    /// A file with the names of the classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// What the scores mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// The output, or any value inside the graph, that is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The architecture of a file that holds nothing but tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
}

impl ReadOptions {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is said here, and where nothing is, what is said there.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            input_size: self.input_size.or(other.input_size),
            mean: self.mean.or(other.mean),
            std: self.std.or(other.std),
            channels: self.channels.or(other.channels),
            crop_pct: self.crop_pct.or(other.crop_pct),
            crop_mode: self.crop_mode.or(other.crop_mode),
            interpolation: self.interpolation.or(other.interpolation),
            range: self.range.or(other.range),
            labels: self.labels.or(other.labels),
            scores: self.scores.or(other.scores),
            output: self.output.or(other.output),
            arch: self.arch.or(other.arch),
        }
    }

    /// Reads a size: `224` or `HEIGHTxWIDTH`.
    ///
    /// # Errors
    /// [`Error::BadValue`] that says how it is written.
    pub fn size(text: &str) -> Result<[usize; 2]> {
        let side = |text: &str| text.trim().parse::<usize>().ok().filter(|n| (1..=16_384).contains(n));
        let sides = match text.split_once(['x', '×']) {
            Some((height, width)) => side(height).zip(side(width)),
            None => side(text).map(|n| (n, n)),
        };
        let (height, width) = sides.ok_or_else(|| {
            Error::bad_value(
                "--input-size",
                text,
                "it takes 224 or HEIGHTxWIDTH, as 96x64, of at most 16384 pixels a side",
            )
        })?;
        Ok([height, width])
    }

    /// Reads numbers between commas: one a channel.
    ///
    /// # Errors
    /// [`Error::BadValue`] that names the option.
    pub fn numbers(option: &str, text: &str) -> Result<Vec<f32>> {
        let number = |part: &str| part.trim().parse::<f32>().ok().filter(|v| v.is_finite());
        let numbers: Option<Vec<f32>> = text.split(',').map(number).collect();
        numbers.ok_or_else(|| Error::bad_value(option, text, "it takes a number for each channel: 0.485,0.456,0.406"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_read_or_refused() {
        assert_eq!(ReadOptions::size("224").ok(), Some([224, 224]));
        assert_eq!(ReadOptions::size("96x64").ok(), Some([96, 64]));
        for text in ["", "0", "96x", "x", "-1", "1e9", "99999x1"] {
            assert!(ReadOptions::size(text).is_err(), "{text}");
        }
        assert_eq!(ReadOptions::numbers("--mean", "0.5, 0,1").ok(), Some(vec![0.5, 0.0, 1.0]));
        for text in ["", "a", "1,", "nan", "inf,1,1"] {
            assert!(ReadOptions::numbers("--mean", text).is_err(), "{text}");
        }
    }
}
