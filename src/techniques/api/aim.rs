//! What a job is about.

use crate::graph::LayerName;

/// What a job is about and may turn to while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aim {
    /// The class to explain or show.
    pub class: Option<usize>,
    /// The class to be mistaken for.
    pub target: Option<usize>,
    /// The layer to look at.
    pub layer: Option<LayerName>,
}
