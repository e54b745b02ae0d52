//! Rectifiers and the rules by which they pass gradients.

use serde::{Deserialize, Serialize};

/// A rectifier: y = clamp(x, 0, cap).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6), as in the mobile networks.
    Relu6,
}

impl Activation {
    /// The value above which the unit saturates.
    #[must_use]
    pub fn cap(self) -> f32 {
        match self {
            Self::Relu => f32::INFINITY,
            Self::Relu6 => 6.0,
        }
    }
}

/// How a rectifier passes the gradient ∂y on to ∂x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReluRule {
    /// The derivative: ∂y where the unit was active (ReLU6: strictly between 0 and 6).
    #[default]
    Standard,
    /// Guided backpropagation (Springenberg et al. 2015): ∂y where the unit was active and ∂y > 0.
    Guided,
    /// Deconvolutional network (Zeiler & Fergus 2014): ∂y where ∂y > 0, whatever the unit did.
    Deconvnet,
}
