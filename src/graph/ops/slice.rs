//! Parts of a value.

use super::prelude::*;
use crate::kernels::{self, Separable, Steps};

/// Values of one axis: `count` of them from `start` on, `step` apart, which may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The axis.
    pub axis: usize,
    /// The first.
    pub start: usize,
    /// How many.
    pub count: usize,
    /// From one to the next.
    pub step: isize,
}

impl Range {
    /// The places along the axis, if they are inside it.
    fn places(&self, length: usize) -> Result<Vec<u32>> {
        let place = |k: usize| {
            let place = self.start.checked_add_signed(self.step.checked_mul(k.cast_signed())?)?;
            u32::try_from(place).ok().filter(|_| place < length)
        };
        match (0..self.count).map(place).collect() {
            Some(places) => Ok(places),
            None => bail!("{self:?} does not lie within {length} values"),
        }
    }
}

/// A part of a value along some axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    ranges: Vec<Range>,
}

impl Slice {
    /// What lies in all of these ranges.
    #[must_use]
    pub fn new(ranges: Vec<Range>) -> Self {
        Self { ranges }
    }

    /// `count` neighbours along one axis: one of the outputs of a split.
    #[must_use]
    pub fn part(axis: usize, start: usize, count: usize) -> Self {
        Self::new(vec![Range { axis, start, count, step: 1 }])
    }
}

impl Slice {
    /// The slice of maps of this shape, if it is one.
    fn of_maps(&self, shape: &[usize]) -> Result<Option<Separable>> {
        let mut steps = [Steps::ALL; 3];
        let wrapped = candle_core::Error::wrap;
        for range in &self.ranges {
            let Some(steps) = range.axis.checked_sub(1).and_then(|axis| steps.get_mut(axis)) else { return Ok(None) };
            let (start, count) =
                (i64::try_from(range.start).map_err(wrapped)?, i64::try_from(range.count).map_err(wrapped)?);
            let step = i64::try_from(range.step).map_err(wrapped)?;
            let end = start + count * step;
            // One axis may be cut once; what goes on below 0 counts from the end otherwise.
            if *steps != Steps::ALL {
                return Ok(None);
            }
            *steps = Steps { start, end: if end < 0 { i64::MIN } else { end }, step };
        }
        kernels::Slice { steps }.separable(map_shape(shape)?).map(Some)
    }
}

impl Operator for Slice {
    fn kind(&self) -> Kind {
        Kind::other("slice")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let mut shape = inputs[0].to_vec();
        for range in &self.ranges {
            within(range.axis, &shape)?;
            shape[range.axis] = range.places(shape[range.axis])?.len();
        }
        Ok(shape)
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.ranges.iter().all(|range| range.axis > 0)
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        if x.is_map()
            && let Some(slice) = self.of_maps(&x.shape())?
        {
            return Ok(x.with_map(slice.forward(&x.map()?)?));
        }
        let mut y = x.to_tensor()?;
        for range in &self.ranges {
            y = match range.step {
                1 => y.narrow(range.axis, range.start, range.count)?,
                _ => picked(&y, range.axis, range.places(y.dim(range.axis)?)?)?,
            };
        }
        Ok(x.with(y))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        if dy.is_map()
            && let Some(slice) = self.of_maps(at.input_shape(0))?
        {
            return Ok(vec![dy.with_map(slice.vjp(&dy.map()?)?)]);
        }
        let mut dx = dy.to_tensor()?;
        for range in self.ranges.iter().rev() {
            let length = at.input_shape(0)[range.axis];
            dx = match range.step {
                1 => dx.pad_with_zeros(range.axis, range.start, length - range.start - range.count)?,
                _ => put_back(&dx, range.axis, range.places(length)?, length)?,
            };
        }
        Ok(vec![dy.with(dx)])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
