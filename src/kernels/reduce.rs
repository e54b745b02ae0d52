//! Reductions over places, channels or both; what is reduced keeps its axis, with length 1.

use super::{Binary, Function, Map, map::mixed};
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

/// What becomes of many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Σx.
    Sum,
    /// Σx / count.
    Mean,
    /// The largest; NaN if one is. Equal ones share the gradient, as in PyTorch's `amax`.
    Max,
    /// The least; NaN if one is. Equal ones share the gradient, as in PyTorch's `amin`.
    Min,
    /// √Σx²; gradient 0 where that is 0.
    L2,
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

    fn fold(&self, axes: Axes, fold: Fold) -> Result<Self> {
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
    // candle sums thousands of values one after another; in two steps the error is that of hundreds.
    let extreme = |x: &Tensor, of: fn(&Tensor, usize) -> Result<Tensor>| {
        let y = axes.dims().into_iter().try_fold(x.clone(), |y, dim| of(&y, dim))?;
        // candle's extremes pass over NaN; a sum of zeros and NaN does not.
        let broken = x.ne(x)?.to_dtype(x.dtype())?.sum_keepdim(axes.dims())?;
        broken.gt(0f32)?.where_cond(&(y.zeros_like()? + f64::NAN)?, &y)
    };
    let sum = |x: &Tensor| axes.dims().into_iter().rev().try_fold(x.clone(), |y, dim| y.sum_keepdim(dim));
    match fold {
        Fold::Sum => sum(x),
        Fold::Squares => sum(&x.sqr()?),
        Fold::Max => extreme(x, Tensor::max_keepdim),
        Fold::Min => extreme(x, Tensor::min_keepdim),
    }
}

impl Reduction {
    /// The reduction of the map over `axes`, which stay with length 1.
    ///
    /// # Errors
    /// If there is nothing to reduce, or candle cannot allocate the result.
    pub fn forward(self, x: &Map, axes: Axes) -> Result<Map> {
        let count = axes.count(x.shape());
        if count == 0 {
            candle_core::bail!("a map of shape {:?} has nothing to reduce", x.shape());
        }
        match self {
            Self::Sum => x.sum(axes),
            Self::Mean => x.sum(axes)?.scaled(1.0 / count as f32),
            Self::Max => x.fold(axes, Fold::Max),
            Self::Min => x.fold(axes, Fold::Min),
            Self::L2 => Function::Sqrt.forward(x.fold(axes, Fold::Squares)?),
        }
    }

    /// Whether the vjp reads the input's and the output's values and not only the input's shape.
    #[must_use]
    pub fn reads_values(self) -> bool {
        !matches!(self, Self::Sum | Self::Mean)
    }

    /// ∂x from the input, the output and the gradient at it.
    ///
    /// # Errors
    /// If the shapes do not fit, or the maps come from two kernel sets.
    pub fn vjp(self, x: &Map, y: &Map, dy: Map, axes: Axes) -> Result<Map> {
        let shape = x.shape();
        y.must_be(axes.reduced(shape))?;
        dy.must_be(y.shape())?;
        match (x, y, &dy) {
            (Map::Cpu(_), Map::Cpu(_), Map::Cpu(_)) | (Map::Candle(_), Map::Candle(_), Map::Candle(_)) => {}
            _ => return Err(mixed()),
        }
        match self {
            Self::Sum => dy.broadcast_to(shape),
            Self::Mean => dy.scaled(1.0 / axes.count(shape).max(1) as f32)?.broadcast_to(shape),
            Self::Max | Self::Min => {
                let largest = Binary::Equal.forward(x, y)?;
                let share = Binary::Div.forward(&dy, &largest.sum(axes)?)?;
                Binary::Mul.forward(&largest, &share)
            }
            Self::L2 => {
                // Where y is 0, so are all x: whatever multiplies them, as long as it is finite.
                let nowhere = Binary::Equal.forward(y, &y.clone().scaled(0.0)?)?;
                let share = Binary::Div.forward(&dy, &Binary::Add.forward(y, &nowhere)?)?;
                Binary::Mul.forward(x, &share)
            }
        }
    }
}
