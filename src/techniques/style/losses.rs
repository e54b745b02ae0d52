//! The losses of style transfer on a layer's activations, with their gradients by hand.
//!
//! Each loss is divided by the squared size of what it compares with, so that one setting of the weights looks
//! alike on every model (design after Gatys et al. 2016, arXiv:1508.06576).

use super::features::{Features, TINY, sum_of_squares};
use super::wasserstein::{Gaussian, Wasserstein};
use crate::error::Result;
use crate::graph::Seed;
use crate::kernels::Map;
use crate::model::Model;
use candle_core::Tensor;

/// The Gram matrix G = F Fᵀ / (C·H·W) `[C, C]` of activations `[1, C, H, W]`.
///
/// # Errors
/// If the activations are not of one picture.
pub fn gram(activations: &Tensor) -> Result<Tensor> {
    let features = Features::of(activations, None)?;
    Ok((features.values.matmul(&features.values.t()?)? / features.size())?)
}

/// Which statistics of a layer are the style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StyleLoss {
    /// ‖G − A‖² / ‖A‖² of Gram matrices.
    Gram,
    /// The squared Wasserstein-2 distance between normal distributions of the same mean and covariance.
    Wasserstein,
}

/// A layer's activations of the content picture, to stay close to.
#[derive(Debug)]
pub struct ContentLoss {
    activations: Map,
    power: f64,
}

impl ContentLoss {
    /// Remembers the content's activations P `[1, C, H, W]`.
    ///
    /// # Errors
    /// If candle cannot reduce them.
    pub fn new(activations: Map) -> Result<Self> {
        let power = sum_of_squares(&activations.to_tensor()?)?.max(TINY);
        Ok(Self { activations, power })
    }

    /// mean((F − P)²) / mean(P²), and its gradient at F times `scale`.
    ///
    /// # Errors
    /// If F has another shape than P.
    pub fn loss(&self, activations: &Map, scale: f64) -> Result<(f64, Seed)> {
        let (squares, gradient) = activations.squared_difference(&self.activations, 2.0 * scale / self.power)?;
        Ok((squares / self.power, Seed::Given(gradient)))
    }
}

/// A layer's style, mixed of one or several pictures, to be matched.
#[derive(Debug)]
pub enum Style {
    /// By its Gram matrix A and ‖A‖².
    Gram(Tensor, f64),
    /// By mean and covariance.
    Wasserstein(Box<Wasserstein>),
}

impl Style {
    /// Remembers the style of activations `[1, C, H, W]`, each with its share of the whole, of any size.
    ///
    /// # Errors
    /// If the activations are not of one picture each, or have different channels.
    pub fn new(kind: StyleLoss, pictures: &[(Tensor, f64)]) -> Result<Self> {
        let total: f64 = pictures.iter().map(|(_, share)| share).sum();
        let mix = |statistic: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<Tensor> {
            let mut mixed: Option<Tensor> = None;
            for (activations, share) in pictures {
                let part = (statistic(activations)? * (share / total))?;
                mixed = Some(match mixed {
                    Some(mixed) => (mixed + part)?,
                    None => part,
                });
            }
            mixed.ok_or_else(|| candle_core::Error::Msg("there is no style picture".into()).into())
        };
        match kind {
            StyleLoss::Gram => {
                let gram = mix(&gram)?;
                let power = sum_of_squares(&gram)?.max(TINY);
                Ok(Self::Gram(gram, power))
            }
            StyleLoss::Wasserstein => {
                let gaussian = |x: &Tensor| Gaussian::of(&Features::of(x, None)?);
                let mean = mix(&|x| Ok(gaussian(x)?.mean))?;
                let covariance = mix(&|x| Ok(gaussian(x)?.covariance))?;
                Ok(Self::Wasserstein(Box::new(Wasserstein::new(Gaussian { mean, covariance })?)))
            }
        }
    }

    /// The loss, and its gradient times `scale` at a layer's output F `[1, C, H, W]`, of which places may be weighted
    /// `[1, 1, H, W]`.
    ///
    /// # Errors
    /// If F has other channels than the style's activations.
    pub fn loss(&self, model: &Model, f: &Map, weights: Option<&Tensor>, scale: f64) -> Result<(f64, Seed)> {
        let of_gram = |gram: Tensor, target: &Tensor, power: f64, size: f64| -> Result<(f64, Tensor)> {
            let difference = (gram - target)?;
            let loss = sum_of_squares(&difference)? / power;
            // G is symmetric, so both factors of F Fᵀ give the same half.
            Ok((loss, (difference * (4.0 * scale / (power * size)))?))
        };
        match (self, weights) {
            (Self::Gram(target, power), None) => {
                let [_, c, h, w] = f.shape();
                let size = (c * h * w) as f64;
                let (loss, mixing) = of_gram((f.channel_products()? / size)?, target, *power, size)?;
                Ok((loss, Seed::Mixing(mixing)))
            }
            (Self::Gram(target, power), weights) => {
                let features = Features::of(&f.to_tensor()?, weights)?;
                let size = features.size();
                let gram = (features.values.matmul(&features.values.t()?)? / size)?;
                let (loss, mixing) = of_gram(gram, target, *power, size)?;
                let gradient = mixing.matmul(&features.values)?;
                Ok((loss, Seed::Given(model.graph.import(&features.pull(gradient)?)?)))
            }
            (Self::Wasserstein(target), weights) => {
                let features = Features::of(&f.to_tensor()?, weights)?;
                let (loss, gradient) = target.loss(&features)?;
                Ok((loss, Seed::Given(model.graph.import(&features.pull((gradient * scale)?)?)?)))
            }
        }
    }
}
