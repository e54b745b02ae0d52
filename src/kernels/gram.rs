//! Products of channels: what Gram matrices and their gradients are made of.

use super::{Map, candle_ops};
use candle_core::{Device, Result, Tensor};

impl Map {
    /// F Fᵀ `[C, C]`: the products of every two channels, summed over all pixels (and images).
    ///
    /// # Errors
    /// If candle cannot allocate the result.
    pub fn channel_products(&self) -> Result<Tensor> {
        match self {
            Self::Cpu(map) => {
                let c = self.shape()[1];
                Tensor::from_vec(map.channel_products(), (c, c), &Device::Cpu)
            }
            Self::Candle(tensor) => candle_ops::channel_products(tensor),
        }
    }

    /// M F for a symmetric matrix M `[C, C]`: the gradient of a function of F Fᵀ at F is of this form.
    ///
    /// # Errors
    /// If the matrix does not fit the channels.
    pub fn mixed_channels(&self, matrix: &Tensor) -> Result<Self> {
        let c = self.shape()[1];
        if matrix.dims() != [c, c] {
            candle_core::bail!("a matrix of shape {:?} cannot mix {c} channels", matrix.shape());
        }
        match self {
            Self::Cpu(map) => Ok(Self::Cpu(map.mixed_channels(&matrix.flatten_all()?.to_vec1::<f32>()?))),
            Self::Candle(tensor) => Ok(Self::Candle(candle_ops::mixed_channels(tensor, matrix)?)),
        }
    }
}
