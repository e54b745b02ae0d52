//! Functions of two maps whose axes of length 1 stretch to the other's (numpy's broadcasting).

use super::size::checked_len;
use super::{Axes, Map, apply::indicator, map::mixed};
use candle_core::{Result, Tensor};

/// A function z = f(a, b) of every pair of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a · b.
    Mul,
    /// a / b.
    Div,
    /// aᵇ; NaN for a < 0 unless b is a whole number. ∂b is 0 where a = 0 and b ≥ 0.
    Pow,
    /// The lesser; NaN if one is. Equal values share the gradient, as in PyTorch.
    Min,
    /// The larger; NaN if one is. Equal values share the gradient, as in PyTorch.
    Max,
    /// 1 where both are equal, 0 elsewhere; derivative 0.
    Equal,
    /// 1 where a < b, 0 elsewhere; derivative 0.
    Less,
    /// 1 where a ≤ b, 0 elsewhere; derivative 0.
    LessOrEqual,
}

/// One of the two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// a.
    Left,
    /// b.
    Right,
}

/// The shape to which two shapes stretch: that of the result.
///
/// # Errors
/// If two axes differ and neither has length 1.
pub fn broadcast_shape(a: [usize; 4], b: [usize; 4]) -> Result<[usize; 4]> {
    let mut shape = a;
    for (to, (&a, &b)) in shape.iter_mut().zip(a.iter().zip(&b)) {
        *to = match (a, b) {
            (a, b) if a == b => a,
            (1, b) => b,
            (a, 1) => a,
            _ => candle_core::bail!("maps of shape {a:?} and {b:?} cannot be combined: an axis has to be alike or 1"),
        };
    }
    checked_len(shape)?;
    Ok(shape)
}

impl Map {
    /// This map with its axes of length 1 stretched to `shape`.
    ///
    /// # Errors
    /// If another axis differs.
    pub fn broadcast_to(&self, shape: [usize; 4]) -> Result<Self> {
        if broadcast_shape(self.shape(), shape)? != shape {
            candle_core::bail!("a map of shape {:?} does not stretch to {shape:?}", self.shape());
        }
        Ok(match self {
            Self::Cpu(map) => Self::Cpu(map.broadcast_to(shape)),
            Self::Candle(tensor) => Self::Candle(tensor.broadcast_as(shape.to_vec())?.contiguous()?),
        })
    }

    /// The vjp of [`Map::broadcast_to`]: this gradient summed over the axes along which a map of `shape` was stretched.
    ///
    /// # Errors
    /// If a map of `shape` does not stretch to this one's.
    pub fn sum_to(self, shape: [usize; 4]) -> Result<Self> {
        let from = self.shape();
        if broadcast_shape(shape, from)? != from {
            candle_core::bail!("a map of shape {shape:?} does not stretch to {from:?}");
        }
        let stretched = |axis: usize| from[axis] != shape[axis];
        let axes = Axes { batch: stretched(0), channels: stretched(1), rows: stretched(2), columns: stretched(3) };
        if axes == Axes::NONE { Ok(self) } else { self.sum(axes) }
    }
}

impl Binary {
    /// Whether the vjp reads the operands' values and not only their shapes.
    #[must_use]
    pub fn reads_operands(self) -> bool {
        !matches!(self, Self::Add | Self::Sub) && !self.is_comparison()
    }

    /// Whether it says 1 or 0 of two values, which has no derivative.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Equal | Self::Less | Self::LessOrEqual)
    }

    /// f(a, b) of shape [`broadcast_shape`].
    ///
    /// # Errors
    /// If the shapes do not fit each other, or the maps come from two kernel sets.
    pub fn forward(self, a: &Map, b: &Map) -> Result<Map> {
        let shape = broadcast_shape(a.shape(), b.shape())?;
        match (a, b) {
            (Map::Cpu(a), Map::Cpu(b)) => Ok(Map::Cpu(a.combined(b, self, shape))),
            (Map::Candle(a), Map::Candle(b)) => Ok(Map::Candle(value(self, a, b)?)),
            _ => Err(mixed()),
        }
    }

    /// The gradient at one operand from both operands and the gradient at the result, of the operand's shape.
    ///
    /// # Errors
    /// If the shapes do not fit each other, or the maps come from two kernel sets.
    pub fn vjp(self, side: Side, a: &Map, b: &Map, dy: Map) -> Result<Map> {
        dy.must_be(broadcast_shape(a.shape(), b.shape())?)?;
        let full = match (a, b, dy) {
            (Map::Cpu(a), Map::Cpu(b), Map::Cpu(dy)) => Map::Cpu(dy.times_slope_of(self, side, a, b)),
            (Map::Candle(a), Map::Candle(b), Map::Candle(dy)) => Map::Candle(times_slope(self, side, a, b, &dy)?),
            _ => return Err(mixed()),
        };
        full.sum_to(if side == Side::Left { a.shape() } else { b.shape() })
    }
}

/// Both stretched to one shape, for operations that know no broadcasting.
fn stretched(a: &Tensor, b: &Tensor) -> Result<[Tensor; 2]> {
    let shape = a.shape().broadcast_shape_binary_op(b.shape(), "broadcast")?;
    Ok([a.broadcast_as(&shape)?.contiguous()?, b.broadcast_as(&shape)?.contiguous()?])
}

/// `pick` of a and b where both are numbers, NaN elsewhere: candle's own drops the NaN of one side.
fn extreme(a: &Tensor, b: &Tensor, pick: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let [a, b] = stretched(a, b)?;
    let of_numbers = a.eq(&a)?.where_cond(&pick(&a, &b)?, &a)?;
    b.eq(&b)?.where_cond(&of_numbers, &b)
}

/// aᵇ, also of negative a, which candle's own (exp(b ln a)) does not know.
fn power(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let [a, b] = stretched(a, b)?;
    let zero = a.zeros_like()?;
    let size = a.abs()?.pow(&b)?;
    let whole = b.eq(&b.floor()?)?;
    let half = (&b * 0.5)?;
    let odd = half.ne(&half.floor()?)?;
    let of_negative = odd.where_cond(&size.neg()?, &size)?;
    let of_negative = whole.where_cond(&of_negative, &(&zero + f64::NAN)?)?;
    let y = a.lt(&zero)?.where_cond(&of_negative, &size)?;
    // b · ln 0 is no number where b is 0.
    b.eq(&zero)?.where_cond(&y.ones_like()?, &y)
}

fn value(binary: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match binary {
        Binary::Add => a.broadcast_add(b),
        Binary::Sub => a.broadcast_sub(b),
        Binary::Mul => a.broadcast_mul(b),
        Binary::Div => a.broadcast_div(b),
        Binary::Pow => power(a, b),
        Binary::Min => extreme(a, b, |a, b| a.minimum(b)),
        Binary::Max => extreme(a, b, |a, b| a.maximum(b)),
        Binary::Equal => indicator(&a.broadcast_eq(b)?),
        Binary::Less => indicator(&a.broadcast_lt(b)?),
        Binary::LessOrEqual => indicator(&a.broadcast_le(b)?),
    }
}

/// ∂y times the derivative by one operand, not yet summed over the axes along which that one was stretched.
fn times_slope(binary: Binary, side: Side, a: &Tensor, b: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let left = side == Side::Left;
    match binary {
        Binary::Add => Ok(dy.clone()),
        Binary::Sub => {
            if left {
                Ok(dy.clone())
            } else {
                dy.neg()
            }
        }
        Binary::Mul => dy.broadcast_mul(if left { b } else { a }),
        Binary::Div if left => dy.broadcast_div(b),
        Binary::Div => dy.broadcast_mul(&a.broadcast_div(&b.sqr()?)?.neg()?),
        Binary::Pow if left => {
            let slope = power(a, &(b - 1.0)?)?.broadcast_mul(b)?;
            let [slope, b] = stretched(&slope, b)?;
            dy * b.eq(0f32)?.where_cond(&slope.zeros_like()?, &slope)?
        }
        Binary::Pow => {
            let y = power(a, b)?;
            let [a, b] = stretched(a, b)?;
            let slope = (y * a.log()?)?;
            let at_zero = (indicator(&a.eq(0f32)?)? * indicator(&b.ge(0f32)?)?)?;
            dy * at_zero.eq(1f32)?.where_cond(&slope.zeros_like()?, &slope)?
        }
        Binary::Min | Binary::Max => {
            let wins = if left == (binary == Binary::Max) { a.broadcast_gt(b)? } else { a.broadcast_lt(b)? };
            dy * (indicator(&wins)? + (indicator(&a.broadcast_eq(b)?)? * 0.5)?)?
        }
        Binary::Equal | Binary::Less | Binary::LessOrEqual => dy.zeros_like(),
    }
}
