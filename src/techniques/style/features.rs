//! A layer's activations as statistics are taken of them.

use crate::error::Result;
use candle_core::{D, Tensor};

/// Kept away from dividing by nothing: the content or style of a black picture.
pub(super) const TINY: f64 = 1e-12;

/// A layer's activations as a matrix, each place weighted.
pub(super) struct Features {
    /// `[C, H·W]`, times the weights.
    pub values: Tensor,
    /// `[1, H·W]`, where places have weights.
    weights: Option<Tensor>,
    /// C and the sum of squared weights: H·W where there are none.
    pub channels: usize,
    pub places: f64,
    shape: candle_core::Shape,
}

impl Features {
    /// Of activations `[1, C, H, W]` with weights `[1, 1, H, W]`.
    pub fn of(activations: &Tensor, weights: Option<&Tensor>) -> Result<Self> {
        let (n, c, h, w) = activations.dims4()?;
        if n != 1 {
            let text = format!("the style is taken of one picture at a time, not of {n}");
            return Err(candle_core::Error::Msg(text).into());
        }
        let values = activations.reshape((c, h * w))?;
        let weights = weights.map(|m| m.reshape((1, h * w))).transpose()?;
        let (values, places) = match &weights {
            Some(weights) => (values.broadcast_mul(weights)?, sum_of_squares(weights)?.max(TINY)),
            None => (values, (h * w) as f64),
        };
        Ok(Self { values, weights, channels: c, places, shape: activations.shape().clone() })
    }

    /// Something a channel `[C, 1]` at every place `[C, H·W]`, times the weights.
    pub fn everywhere(&self, of_channels: &Tensor) -> Result<Tensor> {
        match &self.weights {
            Some(weights) => Ok(of_channels.broadcast_mul(weights)?),
            None => Ok(of_channels.broadcast_as(self.values.shape())?),
        }
    }

    /// The weighted mean of each channel, `[C, 1]`; weights count squared, as in products of features.
    pub fn mean(&self) -> Result<Tensor> {
        let values = match &self.weights {
            Some(weights) => self.values.broadcast_mul(weights)?,
            None => self.values.clone(),
        };
        Ok((values.sum_keepdim(D::Minus1)? / self.places)?)
    }

    /// C times the places.
    pub fn size(&self) -> f64 {
        self.channels as f64 * self.places
    }

    /// A gradient at the weighted values as one at the activations.
    pub fn pull(&self, gradient: Tensor) -> Result<Tensor> {
        let gradient = match &self.weights {
            Some(weights) => gradient.broadcast_mul(weights)?,
            None => gradient,
        };
        Ok(gradient.reshape(&self.shape)?)
    }
}

/// ‖x‖₂².
pub(super) fn sum_of_squares(x: &Tensor) -> Result<f64> {
    Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?))
}
