//! `run.json`: what a run was and what came of it.

use super::message::JobSpec;
use crate::model::Prediction;
use crate::techniques::{ParamValue, Params};
use serde::{Deserialize, Serialize};

/// A picture that went into a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// `picture`, `style`, `mask` or `init`.
    pub role: String,
    /// The file's name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A parameter, or `class`, `target` or `layer`, changed while the run was going.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterChange {
    /// Updates made when it changed.
    pub step: usize,
    /// The parameter.
    pub name: String,
    /// Its new value.
    pub value: ParamValue,
}

/// Where a run left another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branching {
    /// The other run's number in its session.
    pub run: u64,
    /// The step.
    pub step: usize,
}

/// How a run stood when it was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Steps were left.
    Running,
    /// It had done all it had to do.
    Finished,
    /// It had been ended before.
    Stopped,
    /// It had ended by a fault.
    Failed,
}

/// The contents of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// The program's version.
    pub version: String,
    /// The technique's id.
    pub technique: String,
    /// How the run stood.
    pub status: RunStatus,
    /// Whether it did what it was for: for an attack, whether the saved picture fools the network.
    pub success: bool,
    /// The model's id.
    pub model: String,
    /// SHA-256 of its weight file.
    pub weights_sha256: String,
    /// What was asked for: what `gradlens run --from` starts from. Files are named as they were given.
    pub job: JobSpec,
    /// The pictures that went in.
    pub inputs: Vec<InputRecord>,
    /// Every parameter, as it was at the start.
    pub parameters: Params,
    /// The changes while it ran, in order.
    pub changes: Vec<ParameterChange>,
    /// The run and step it was branched from. Its changes and curves are those of the whole way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branched_from: Option<Branching>,
    /// Seed of everything random.
    pub seed: u64,
    /// The device it computed on.
    pub device: String,
    /// CPU threads it computed with.
    pub threads: usize,
    /// Updates it made.
    pub steps: usize,
    /// Seconds from its start to its end, pauses included.
    pub wall_seconds: f64,
    /// Mean milliseconds a step.
    pub ms_per_step: f64,
    /// The likeliest classes before the first update.
    pub top5_before: Vec<Prediction>,
    /// The likeliest classes of what was saved: of `result.png` where the technique makes a picture.
    pub top5_after: Vec<Prediction>,
    /// The fault that ended it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<String>,
    /// Technique-specific figures: class, target, layer, iterations, norms, …
    #[serde(flatten)]
    pub figures: serde_json::Map<String, serde_json::Value>,
}
