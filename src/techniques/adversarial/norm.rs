//! The norms that budgets are measured in.

use super::change::Norms;
use crate::error::Result;
use crate::imaging::Picture;
use crate::optim::{length, unit};
use crate::techniques::api::Params;
use candle_core::Tensor;

/// The norm a budget is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    Linf,
    L2,
}

impl Norm {
    pub fn of(params: &Params) -> Self {
        if params.choice("norm") == "l2" { Self::L2 } else { Self::Linf }
    }

    /// The steepest direction of unit size against this norm.
    pub fn direction(self, gradient: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linf => Ok(gradient.sign()?),
            Self::L2 => unit(gradient),
        }
    }

    /// `x` brought back to within ε of the original, and to valid pixels.
    pub fn project(self, x: &Tensor, original: &Tensor, epsilon: f64) -> Result<Tensor> {
        let change = (x - original)?;
        let change = match self {
            Self::Linf => change.clamp(-epsilon as f32, epsilon as f32)?,
            Self::L2 => {
                let length = length(&change)?;
                if length > epsilon { (change * (epsilon / length))? } else { change }
            }
        };
        Ok((original + change)?.clamp(0f32, 1f32)?)
    }

    /// The budget ε as 8-bit pictures have to keep it.
    pub fn limit(self, epsilon: f64) -> Limit {
        match self {
            Self::Linf => Limit::Linf(epsilon),
            Self::L2 => Limit::L2(epsilon),
        }
    }
}

/// How far a saved picture may be from the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Limit {
    None,
    Linf(f64),
    L2(f64),
}

impl Limit {
    /// Whether a picture keeps to it. Of the largest change, rounding takes care itself.
    pub fn holds(self, from: &Picture, to: &Picture, channels: usize) -> bool {
        match self {
            Self::L2(epsilon) => Norms::of(from, to, channels).l2 <= epsilon + 1e-6,
            Self::None | Self::Linf(_) => true,
        }
    }
}
