//! Sums and extremes along the axes of a map.

use super::Map;
use candle_core::{Result, Tensor};

/// Some of the axes of a map `[N, C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axes {
    /// N.
    pub batch: bool,
    /// C.
    pub channels: bool,
    /// H.
    pub rows: bool,
    /// W.
    pub columns: bool,
}

impl Axes {
    /// No axis.
    pub const NONE: Self = Self { batch: false, channels: false, rows: false, columns: false };
    /// H and W: what is left is `[N, C, 1, 1]`.
    pub const PLACES: Self = Self { rows: true, columns: true, ..Self::NONE };
    /// C: what is left is `[N, 1, H, W]`.
    pub const CHANNELS: Self = Self { channels: true, ..Self::NONE };
    /// Everything of an image: what is left is `[N, 1, 1, 1]`.
    pub const IMAGE: Self = Self { channels: true, ..Self::PLACES };

    /// In the order N, C, H, W.
    fn flags(self) -> [bool; 4] {
        [self.batch, self.channels, self.rows, self.columns]
    }

    /// A shape `[N, C, H, W]` with these axes of length 1.
    #[must_use]
    pub fn reduced(self, mut shape: [usize; 4]) -> [usize; 4] {
        for (length, flag) in shape.iter_mut().zip(self.flags()) {
            if flag {
                *length = 1;
            }
        }
        shape
    }

    /// How many values of a map `[N, C, H, W]` become one.
    #[must_use]
    pub fn count(self, shape: [usize; 4]) -> usize {
        shape.iter().zip(self.flags()).filter(|(_, flag)| *flag).map(|(length, _)| length).product()
    }

    fn dims(self) -> Vec<usize> {
        (0..4).filter(|&axis| self.flags()[axis]).collect()
    }
}

/// The associative part of a reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Sum,
    Squares,
    Max,
    Min,
}

impl Map {
    /// Σ over these axes.
    pub(super) fn sum(&self, axes: Axes) -> Result<Self> {
        self.fold(axes, Fold::Sum)
    }

    /// The fold over these axes, which stay with length 1.
    pub(super) fn fold(&self, axes: Axes, fold: Fold) -> Result<Self> {
        Ok(match self {
            Self::Cpu(x) => {
                let [n, c, h, w] = axes.flags();
                Self::Cpu(x.fold([n, h, w, c], fold))
            }
            Self::Candle(x) => Self::Candle(folded(x, axes, fold)?),
        })
    }

    /// This map times a number.
    pub(super) fn scaled(self, factor: f32) -> Result<Self> {
        Ok(match self {
            Self::Cpu(mut x) => {
                x.make_mut().scale(factor);
                Self::Cpu(x)
            }
            Self::Candle(x) => Self::Candle((x * f64::from(factor))?),
        })
    }
}

fn folded(x: &Tensor, axes: Axes, fold: Fold) -> Result<Tensor> {
    let extreme = |x: &Tensor, of: fn(&Tensor, usize) -> Result<Tensor>| {
        let y = axes.dims().into_iter().try_fold(x.clone(), |y, dim| of(&y, dim))?;
        // candle's extremes pass over NaN, so those are counted.
        let broken = x.ne(x)?.to_dtype(x.dtype())?.sum_keepdim(axes.dims())?;
        broken.gt(0f32)?.where_cond(&(y.zeros_like()? + f64::NAN)?, &y)
    };
    // Axis by axis: candle sums one value after another, and short sums lose less.
    let sum = |x: &Tensor| axes.dims().into_iter().rev().try_fold(x.clone(), |y, dim| y.sum_keepdim(dim));
    match fold {
        Fold::Sum => sum(x),
        Fold::Squares => sum(&x.sqr()?),
        Fold::Max => extreme(x, Tensor::max_keepdim),
        Fold::Min => extreme(x, Tensor::min_keepdim),
    }
}
