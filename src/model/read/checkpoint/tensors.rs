//! What a file of weights holds.

use crate::model::read::onnx::stored::Stored;
use std::collections::HashMap;

/// What a file of weights holds.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// Where each tensor's numbers are, by its path through the file's dictionaries.
    pub tensors: HashMap<String, Stored>,
    /// What the file calls its architecture.
    pub architecture: Option<String>,
}
