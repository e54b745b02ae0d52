//! The losses of style transfer on a layer's activations, with their gradients by hand.
//!
//! Each loss is divided by the squared size of what it compares with, so that one setting of the weights looks
//! alike on every network (design after Gatys et al. 2016, arXiv:1508.06576).

use crate::error::Result;
use candle_core::Tensor;

/// Kept away from dividing by nothing: the content or style of a black picture.
const TINY: f64 = 1e-12;

/// The Gram matrix G = F Fᵀ / (C·H·W) `[C, C]` of activations `[1, C, H, W]`.
///
/// # Errors
/// If the activations are not of one picture.
pub fn gram(activations: &Tensor) -> Result<Tensor> {
    let (features, size) = flattened(activations)?;
    Ok((features.matmul(&features.t()?)? / size)?)
}

/// A layer's activations of the content picture, to stay close to.
#[derive(Debug)]
pub struct Content {
    activations: Tensor,
    power: f64,
}

impl Content {
    /// Remembers the content's activations P `[1, C, H, W]`.
    ///
    /// # Errors
    /// If candle cannot reduce them.
    pub fn new(activations: Tensor) -> Result<Self> {
        let power = sum_of_squares(&activations)?.max(TINY);
        Ok(Self { activations, power })
    }

    /// mean((F − P)²) / mean(P²), and its gradient at F.
    ///
    /// # Errors
    /// If F has another shape than P.
    pub fn loss(&self, activations: &Tensor) -> Result<(f64, Tensor)> {
        let difference = (activations - &self.activations)?;
        let loss = sum_of_squares(&difference)? / self.power;
        Ok((loss, (difference * (2.0 / self.power))?))
    }
}

/// A layer's Gram matrix of the style picture, to be matched.
#[derive(Debug)]
pub struct Style {
    gram: Tensor,
    power: f64,
}

impl Style {
    /// Remembers the Gram matrix A of the style's activations `[1, C, H, W]`, of any size.
    ///
    /// # Errors
    /// If the activations are not of one picture.
    pub fn new(activations: &Tensor) -> Result<Self> {
        let gram = gram(activations)?;
        let power = sum_of_squares(&gram)?.max(TINY);
        Ok(Self { gram, power })
    }

    /// ‖G − A‖² / ‖A‖², and its gradient at the activations F.
    ///
    /// # Errors
    /// If F has other channels than the style's activations.
    pub fn loss(&self, activations: &Tensor) -> Result<(f64, Tensor)> {
        let (features, size) = flattened(activations)?;
        let difference = ((features.matmul(&features.t()?)? / size)? - &self.gram)?;
        let loss = sum_of_squares(&difference)? / self.power;
        // G is symmetric, so both factors of F Fᵀ give the same half.
        let gradient = (difference.matmul(&features)? * (4.0 / (self.power * size)))?;
        Ok((loss, gradient.reshape(activations.shape())?))
    }
}

fn flattened(activations: &Tensor) -> Result<(Tensor, f64)> {
    let (n, c, h, w) = activations.dims4()?;
    if n != 1 {
        let text = format!("Gram matrices are taken of one picture at a time, not of {n}");
        return Err(candle_core::Error::Msg(text).into());
    }
    Ok((activations.reshape((c, h * w))?, (c * h * w) as f64))
}

fn sum_of_squares(x: &Tensor) -> Result<f64> {
    Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?))
}
