//! A feature map between two layers.

use super::{candle_ops, cpu::Nhwc};
use candle_core::{Result, Tensor};

/// Which implementation carries a feature map through a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KernelSet {
    /// This crate's channels-last kernels on the CPU, candle operations on any other device.
    #[default]
    Fast,
    /// candle operations on every device.
    Candle,
}

/// A feature map of logical shape `[N, C, H, W]`, in the layout of the kernels that made it.
#[derive(Debug, Clone)]
pub enum Map {
    /// Channels-last, float32, in main memory.
    Cpu(Nhwc),
    /// A candle tensor `[N, C, H, W]` on any device.
    Candle(Tensor),
}

impl Map {
    /// Takes a tensor `[N, C, H, W]` (float32) into the kernels' layout.
    ///
    /// # Errors
    /// If the tensor does not have four dimensions or is not float32.
    pub fn from_tensor(tensor: &Tensor, set: KernelSet) -> Result<Self> {
        let (_n, _c, _h, _w) = tensor.dims4()?;
        if set == KernelSet::Fast && tensor.device().is_cpu() {
            Ok(Self::Cpu(Nhwc::from_tensor(tensor)?))
        } else {
            Ok(Self::Candle(tensor.contiguous()?))
        }
    }

    /// The map as a contiguous tensor `[N, C, H, W]`, float32, on the map's device.
    ///
    /// # Errors
    /// If candle cannot allocate the tensor.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match self {
            Self::Cpu(map) => map.to_tensor(),
            Self::Candle(tensor) => Ok(tensor.clone()),
        }
    }

    /// Takes a tensor `[N, H, W, C]` (float32), channels last: tokens, or whatever else the fast kernels lay in memory as
    /// it lies already.
    ///
    /// # Errors
    /// If the tensor does not have four dimensions or is not float32.
    pub fn from_channels_last(tensor: &Tensor, set: KernelSet) -> Result<Self> {
        let (_n, _h, _w, _c) = tensor.dims4()?;
        if set == KernelSet::Fast && tensor.device().is_cpu() {
            Ok(Self::Cpu(Nhwc::from_channels_last(tensor)?))
        } else {
            Ok(Self::Candle(tensor.permute((0, 3, 1, 2))?.contiguous()?))
        }
    }

    /// The map as a contiguous tensor `[N, H, W, C]`.
    ///
    /// # Errors
    /// If candle cannot allocate the tensor.
    pub fn to_channels_last(&self) -> Result<Tensor> {
        match self {
            Self::Cpu(map) => map.to_channels_last(),
            Self::Candle(tensor) => tensor.permute((0, 2, 3, 1))?.contiguous(),
        }
    }

    /// The same pixels, in reading order, as `n` maps of `h` lines of `w`.
    ///
    /// # Errors
    /// If there is another number of them.
    pub fn with_pixels(self, [n, h, w]: [usize; 3]) -> Result<Self> {
        let [images, c, height, width] = self.shape();
        if n * h * w != images * height * width {
            candle_core::bail!("{:?} (N, H, W) and {:?} are not as many pixels", [images, height, width], [n, h, w]);
        }
        match self {
            Self::Cpu(map) => Ok(Self::Cpu(map.with_pixels([n, h, w]))),
            Self::Candle(tensor) if n == images => Ok(Self::Candle(tensor.reshape((n, c, h, w))?)),
            Self::Candle(_) => {
                Self::from_channels_last(&self.to_channels_last()?.reshape((n, h, w, c))?, KernelSet::Candle)
            }
        }
    }

    /// `[N, C, H, W]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        match self {
            Self::Cpu(map) => [map.n, map.c, map.h, map.w],
            Self::Candle(tensor) => {
                let d = tensor.dims();
                [d[0], d[1], d[2], d[3]]
            }
        }
    }

    pub(super) fn cpu(&self) -> Result<&Nhwc> {
        match self {
            Self::Cpu(map) => Ok(map),
            Self::Candle(_) => Err(mixed()),
        }
    }

    pub(super) fn must_be(&self, shape: [usize; 4]) -> Result<()> {
        if self.shape() != shape {
            candle_core::bail!("a map of shape {:?} came where {shape:?} was due", self.shape());
        }
        Ok(())
    }

    /// Adds another gradient of the same shape to this one.
    ///
    /// # Errors
    /// If the two maps come from different kernel sets or differ in shape.
    pub fn accumulate(self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Cpu(a), Self::Cpu(b)) => Ok(Self::Cpu(a.added(b)?)),
            (Self::Candle(a), Self::Candle(b)) => Ok(Self::Candle((a + b)?)),
            _ => Err(mixed()),
        }
    }

    /// Splits a gradient of a concatenation into channel ranges of the given widths.
    pub(super) fn split_channels(&self, widths: &[usize]) -> Result<Vec<Self>> {
        match self {
            Self::Cpu(map) => Ok(map.split_channels(widths).into_iter().map(Self::Cpu).collect()),
            Self::Candle(tensor) => {
                Ok(candle_ops::split_channels(tensor, widths)?.into_iter().map(Self::Candle).collect())
            }
        }
    }
}

/// The error of mixing kernel sets, which only a bug in a graph can cause.
pub(super) fn mixed() -> candle_core::Error {
    candle_core::Error::Msg("feature maps of two kernel sets met in one layer".into())
}
