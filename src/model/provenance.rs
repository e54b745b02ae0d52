//! Where a model comes from.

use serde::{Deserialize, Serialize};

/// Something that the file does not say and that was taken for granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// What was assumed, in words: `mean 0.485, 0.456, 0.406`.
    pub what: String,
    /// The option that changes it: `--mean`.
    pub option: String,
}

impl Assumption {
    /// Adds one to a list.
    pub(super) fn note(list: &mut Vec<Self>, what: impl Into<String>, option: &str) {
        list.push(Self { what: what.into(), option: option.to_owned() });
    }
}

/// Where a model comes from, and what was assumed of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The weight file's name; empty for a formula.
    pub file: String,
    /// Its format: `safetensors`, `onnx`, …
    pub format: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The architecture, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub architecture: Option<String>,
    /// The program that wrote the file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exporter: Option<String>,
    /// ONNX's version of the operators.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub opset: Option<i64>,
    /// The names of what the file's graph computes, where that is more than one thing.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub outputs: Vec<String>,
    /// What was assumed because the file does not say.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub assumed: Vec<Assumption>,
    /// What makes it doubtful that pictures go in as the network expects them, where that was assumed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub doubt: Option<String>,
}

impl Provenance {
    /// What was assumed, in a sentence with the options that change it, behind what makes it doubtful; `None` if nothing was.
    #[must_use]
    pub fn assumptions(&self) -> Option<String> {
        let parts: Vec<String> = self.assumed.iter().map(|a| format!("{} ({})", a.what, a.option)).collect();
        let doubt = self.doubt.as_ref().map_or_else(String::new, |doubt| format!(": {doubt}. It"));
        (!parts.is_empty())
            .then(|| format!("{}{doubt} does not say everything; assumed: {}", self.file, parts.join("; ")))
    }
}
