//! Reductions over places, channels or both; what is reduced keeps its axis, with length 1.

use super::axes::Fold;
use super::{Axes, Binary, Function, Map, map::mixed};
use candle_core::Result;

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
