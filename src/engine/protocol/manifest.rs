//! `run.json`: what a run was and what came of it.

use super::snapshot::Machine;
use super::spec::{JobSpec, ParameterChange};
use crate::model::{Input, ModelInfo, Output, Prediction, Provenance, Roles, Scores, sha256_hex};
use crate::techniques::Params;
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

/// What a model's results depend on, without its labels one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// How pictures go in.
    pub input: Input,
    /// What its scores mean; none where it ends in features.
    pub output: Option<OutputRecord>,
    /// Which layers serve as what.
    pub roles: Roles,
    /// Where it comes from, and what was assumed of it.
    pub provenance: Provenance,
}

/// What a model's scores mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// How logits become probabilities.
    pub scores: Scores,
    /// How many classes there are.
    pub classes: usize,
    /// SHA-256 of their labels, a line each.
    pub labels_sha256: String,
}

impl From<&Output> for OutputRecord {
    fn from(output: &Output) -> Self {
        let labels = output.labels.iter().collect::<Vec<_>>().join("\n");
        Self { scores: output.scores, classes: output.count(), labels_sha256: sha256_hex(labels.as_bytes()) }
    }
}

impl From<&ModelInfo> for ModelRecord {
    fn from(model: &ModelInfo) -> Self {
        let output = model.output.as_ref().map(OutputRecord::from);
        let (input, roles, provenance) = (model.input.clone(), model.roles.clone(), model.provenance.clone());
        Self { input, output, roles, provenance }
    }
}

impl ModelRecord {
    /// What in another model would make results differ, in a word; `None` if nothing would.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            ("weights", self.provenance.sha256 != other.provenance.sha256),
            ("preprocessing", self.input != other.input),
            ("scores or labels", self.output != other.output),
            ("layer roles", self.roles != other.roles),
        ];
        parts.into_iter().find(|(_, differ)| *differ).map(|(part, _)| part)
    }
}

/// What makes a run the run it is: what `gradlens run --from` and `resume` start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The model; runs of older programs do not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub network: Option<ModelRecord>,
    /// What was asked for.
    #[serde(alias = "asked")]
    pub job: JobSpec,
    /// The pictures that went in.
    pub inputs: Vec<InputRecord>,
    /// Every parameter, as it was at the start.
    #[serde(alias = "first_params")]
    pub parameters: Params,
    /// The changes while it ran, in order.
    pub changes: Vec<ParameterChange>,
    /// The run and step it was branched from. Its changes and curves are those of the whole way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branched_from: Option<Branching>,
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
    /// What it was made from. Files are named as they were given.
    #[serde(flatten)]
    pub origin: Origin,
    /// Seed of everything random.
    pub seed: u64,
    /// What it was computed with.
    #[serde(flatten)]
    pub machine: Machine,
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
