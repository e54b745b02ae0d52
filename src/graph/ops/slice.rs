//! Parts of a value.

use super::prelude::*;

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

impl Operator for Slice {
    fn kind(&self) -> &'static str {
        "slice"
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
