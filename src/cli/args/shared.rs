//! Options that several subcommands have.

use crate::error::Result;
use crate::model::Scores;
use crate::model::read::ReadOptions;
use clap::Args;
use std::path::PathBuf;

/// What a run is made of, wherever it is watched.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct WhatArgs {
    /// Class to explain or show: a label, a unique part of one, or an index (#3 where labels are numbers) [default: the photo's top class]
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Class to be mistaken for
    #[arg(long, value_name = "CLASS")]
    pub target: Option<String>,
    /// Style picture; give several to mix their styles (see the parameter style_weights)
    #[arg(long, value_name = "IMAGE")]
    pub style: Vec<PathBuf>,
    /// Where to paint: white in full, black not at all; of the photo's shape
    #[arg(long, value_name = "IMAGE")]
    pub mask: Option<PathBuf>,
    /// Picture to start from
    #[arg(long, value_name = "IMAGE")]
    pub init: Option<PathBuf>,
    /// Layer to look at (see `gradlens layers`) [default: the model's last with spatial extent]
    #[arg(long, value_name = "LAYER")]
    pub layer: Option<String>,
    /// Change a parameter (see `gradlens techniques`); may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub how: HowArgs,
}

/// What it is computed with.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct HowArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub on: WhereArgs,
}

impl HowArgs {
    /// The same with another model.
    pub fn with_model(&self, model: ModelArgs) -> Self {
        Self { model, ..self.clone() }
    }
}

/// The network.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct ModelArgs {
    /// Model (see `gradlens models`): a name, a file or a folder; `run`, `compare`, `score` and `classify` take several and
    /// compare them [default: the technique's usual one, or the usual classifier]
    #[arg(long = "model", value_name = "MODEL")]
    pub names: Vec<String>,
    /// Weights (.safetensors) for the model instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub reading: ReadArgs,
}

/// What a model file does not say of itself.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Model files (--model best.onnx, checkpoint.pth, FOLDER or hf:OWNER/NAME)")]
pub(in crate::cli) struct ReadArgs {
    /// Names of the classes: a text file with one a line, JSON, or lines of index,name
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Size of the pictures that the network sees, where its file leaves that open
    #[arg(long, value_name = "N|HxW")]
    pub input_size: Option<String>,
    /// Subtracted from pixels, in the units of --range: one number a channel, in the network's order, or one for all
    /// [default: that of photos]
    #[arg(long, value_name = "R,G,B", allow_hyphen_values = true)]
    pub mean: Option<String>,
    /// What pixels are divided by then, in the units of --range: one number a channel, or one for all [default: that of photos]
    #[arg(long, value_name = "R,G,B")]
    pub std: Option<String>,
    /// The channels and their order
    #[arg(long, value_name = "ORDER", value_parser = ["rgb", "bgr", "grey", "rgba"])]
    pub channels: Option<String>,
    /// What white is before the mean is subtracted [default: 1]
    #[arg(long, value_name = "1|255", value_parser = ["1", "255"])]
    pub range: Option<String>,
    /// Share of the resized photo's shorter side that is seen [default: 1]
    #[arg(long, value_name = "SHARE")]
    pub crop_pct: Option<f32>,
    /// What becomes of a photo of another shape
    #[arg(long, value_name = "MODE", value_parser = ["center", "squash", "border"])]
    pub crop_mode: Option<String>,
    /// How photos are resampled
    #[arg(long, value_name = "KIND", value_parser = ["bilinear", "bicubic", "nearest"])]
    pub interpolation: Option<String>,
    /// What the scores are: one of several classes, any number of them, or plain numbers
    #[arg(long, value_name = "KIND", value_parser = ["softmax", "sigmoid", "none"])]
    pub scores: Option<String>,
    /// The output that is explained, or any value inside the graph [default: the first output]
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// Architecture of a checkpoint [default: what its tensors are those of; see `gradlens models --architectures`]
    #[arg(long, value_name = "NAME")]
    pub arch: Option<String>,
}

impl ReadArgs {
    /// The same as plain data.
    ///
    /// # Errors
    /// [`crate::Error::BadValue`] that names the option.
    pub fn options(&self) -> Result<ReadOptions> {
        let numbers = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| ReadOptions::numbers(option, text)).transpose()
        };
        Ok(ReadOptions {
            input_size: self.input_size.as_deref().map(ReadOptions::size).transpose()?,
            mean: numbers("--mean", &self.mean)?,
            std: numbers("--std", &self.std)?,
            channels: word(self.channels.as_ref()),
            crop_pct: self.crop_pct,
            crop_mode: word(self.crop_mode.as_ref()),
            interpolation: word(self.interpolation.as_ref()),
            range: self.range.as_deref().and_then(|text| text.parse().ok()),
            labels: self.labels.clone(),
            scores: match self.scores.as_deref() {
                Some("none") => Some(Scores::Plain),
                _ => word(self.scores.as_ref()),
            },
            output: self.output.clone(),
            arch: self.arch.clone(),
        })
    }
}

/// A word that clap has let pass as what it stands for.
fn word<T: serde::de::DeserializeOwned>(text: Option<&String>) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text?.clone())).ok()
}

/// Where it is computed.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct WhereArgs {
    /// Device to compute on: cpu, cuda:N or metal [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// How maps are shown. The raw maps are never changed.
#[derive(Debug, Args)]
pub(in crate::cli) struct DisplayArgs {
    /// Colour map: magma, viridis, inferno, plasma or cividis; blue-red, purple-orange or purple-green for signed maps
    #[arg(long, value_name = "MAP")]
    pub color_map: Vec<String>,
    /// How strongly the map covers the photo, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub opacity: f32,
    /// Percent of the values beyond each end of the colours
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    pub clip: f32,
    /// Mask what lies below this share of the range, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub threshold: f32,
    /// Draw contour lines at a quarter, half and three quarters of the range
    #[arg(long)]
    pub contour: bool,
    /// Show only the part of the photo that the network sees, not the whole photo with that part marked
    #[arg(long)]
    pub crop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum ProtocolArg {
    Auto,
    Kitty,
    Sixel,
    Iterm2,
    Halfblocks,
    Quadrants,
    Sextants,
}

/// How pictures get on the terminal.
#[derive(Debug, Args)]
pub(in crate::cli) struct ScreenArgs {
    /// How pictures are drawn
    #[arg(long, value_enum, default_value = "auto")]
    pub protocol: ProtocolArg,
    /// Kilobytes a second to the terminal at most: a number, or auto for what the line bears
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub bandwidth: String,
}
