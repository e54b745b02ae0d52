//! Functions with parameters of their own for each channel.

use super::apply::indicator;
use super::{Map, map::mixed};
use candle_core::{DType, Result, Tensor};

/// One number a channel, where both kernel sets want it.
#[derive(Debug, Clone)]
pub(super) struct PerChannel {
    pub(super) values: Vec<f32>,
    /// `[1, C, 1, 1]`.
    pub(super) tensor: Tensor,
}

impl PerChannel {
    /// From a tensor `[C]`.
    pub(super) fn new(tensor: &Tensor) -> Result<Self> {
        let count = tensor.dims1()?;
        let tensor = tensor.to_dtype(DType::F32)?;
        Ok(Self { values: tensor.to_vec1()?, tensor: tensor.reshape((1, count, 1, 1))?.contiguous()? })
    }

    pub(super) fn fits(&self, map: &Map) -> Result<()> {
        let channels = map.shape()[1];
        if self.values.len() != channels {
            candle_core::bail!("parameters of {} channels came with a map of {channels}", self.values.len());
        }
        Ok(())
    }
}

/// y = x · scale + shift, channel by channel: a batch-norm in evaluation mode that follows no convolution.
#[derive(Debug, Clone)]
pub struct ChannelAffine {
    scale: PerChannel,
    shift: PerChannel,
}

impl ChannelAffine {
    /// From tensors `[C]`: no scale is 1, no shift 0.
    ///
    /// # Errors
    /// If there is neither, or they differ in length.
    pub fn new(scale: Option<&Tensor>, shift: Option<&Tensor>) -> Result<Self> {
        let (scale, shift) = match (scale, shift) {
            (Some(scale), Some(shift)) => (scale.clone(), shift.clone()),
            (Some(scale), None) => (scale.clone(), scale.zeros_like()?),
            (None, Some(shift)) => (shift.ones_like()?, shift.clone()),
            (None, None) => candle_core::bail!("an affine layer needs a scale or a shift"),
        };
        let (scale, shift) = (PerChannel::new(&scale)?, PerChannel::new(&shift)?);
        if scale.values.len() != shift.values.len() {
            candle_core::bail!("a scale of {} does not fit a shift of {}", scale.values.len(), shift.values.len());
        }
        Ok(Self { scale, shift })
    }

    /// x · scale + shift.
    ///
    /// # Errors
    /// If the map has another number of channels.
    pub fn forward(&self, x: Map) -> Result<Map> {
        self.scale.fits(&x)?;
        Ok(match x {
            Map::Cpu(mut x) => {
                x.scale_and_shift(&self.scale.values, &self.shift.values);
                Map::Cpu(x)
            }
            Map::Candle(x) => Map::Candle(self.applied(&x)?),
        })
    }

    /// The same on a tensor.
    pub(super) fn applied(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&self.scale.tensor)?.broadcast_add(&self.shift.tensor)
    }

    pub(super) fn scale(&self) -> &PerChannel {
        &self.scale
    }

    pub(super) fn shift(&self) -> &PerChannel {
        &self.shift
    }

    /// ∂x = ∂y · scale.
    ///
    /// # Errors
    /// If the gradient has another number of channels.
    pub fn vjp(&self, dy: Map) -> Result<Map> {
        self.scale.fits(&dy)?;
        Ok(match dy {
            Map::Cpu(mut dy) => {
                dy.scale_and_shift(&self.scale.values, &vec![0.0; self.scale.values.len()]);
                Map::Cpu(dy)
            }
            Map::Candle(dy) => Map::Candle(dy.broadcast_mul(&self.scale.tensor)?),
        })
    }
}

/// x where x > 0, slope · x elsewhere, with a slope for each channel (He et al. 2015).
#[derive(Debug, Clone)]
pub struct ParametricRelu {
    slope: PerChannel,
}

impl ParametricRelu {
    /// From a tensor `[C]`. One slope for all channels is a [`super::Function::LeakyRelu`].
    ///
    /// # Errors
    /// If the tensor does not have one dimension.
    pub fn new(slope: &Tensor) -> Result<Self> {
        Ok(Self { slope: PerChannel::new(slope)? })
    }

    /// The function of every value.
    ///
    /// # Errors
    /// If the map has another number of channels.
    pub fn forward(&self, x: Map) -> Result<Map> {
        self.slope.fits(&x)?;
        Ok(match x {
            Map::Cpu(mut x) => {
                x.rectify_by_channel(&self.slope.values);
                Map::Cpu(x)
            }
            Map::Candle(x) => {
                let below = x.broadcast_mul(&self.slope.tensor)?;
                Map::Candle(x.gt(0f32)?.where_cond(&x, &below)?)
            }
        })
    }

    /// ∂x from the input and the gradient at the output: the slope where x ≤ 0.
    ///
    /// # Errors
    /// If `x` and `dy` differ in shape or kernel set.
    pub fn vjp(&self, x: &Map, dy: Map) -> Result<Map> {
        self.slope.fits(x)?;
        dy.must_be(x.shape())?;
        match (x, dy) {
            (Map::Cpu(x), Map::Cpu(mut dy)) => {
                dy.gate_by_channel(x, &self.slope.values);
                Ok(Map::Cpu(dy))
            }
            (Map::Candle(x), Map::Candle(dy)) => {
                let above = indicator(&x.gt(0f32)?)?;
                let below = (1.0 - &above)?.broadcast_mul(&self.slope.tensor)?;
                Ok(Map::Candle((dy * (above + below)?)?))
            }
            _ => Err(mixed()),
        }
    }
}
