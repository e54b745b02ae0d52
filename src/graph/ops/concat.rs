//! Joining.

use super::prelude::*;
use crate::kernels::{concat, concat_vjp};

/// Its inputs one after the other along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concat {
    axis: usize,
}

impl Concat {
    /// Joins along `axis`: 1 for the channels of maps.
    #[must_use]
    pub fn new(axis: usize) -> Self {
        Self { axis }
    }

    /// Joining the channels of maps.
    pub const CHANNELS: Self = Self { axis: 1 };
}

impl Operator for Concat {
    fn kind(&self) -> Kind {
        Kind::other("concatenation")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let mut shape = inputs[0].to_vec();
        let rank = shape.len();
        if self.axis >= rank {
            bail!("values of rank {rank} cannot be joined along axis {}", self.axis);
        }
        for input in &inputs[1..] {
            let alike = |axis: usize| axis == self.axis || input[axis] == shape[axis];
            if input.len() != rank || !(0..rank).all(alike) {
                bail!("values of shape {shape:?} and {input:?} cannot be joined along axis {}", self.axis);
            }
            shape[self.axis] += input[self.axis];
        }
        Ok(shape)
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.axis > 0
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        if self.axis == 1 && inputs.iter().all(Value::is_map) {
            let maps: Vec<_> = inputs.iter().filter_map(Value::as_map).collect();
            return Ok(inputs[0].with_map(concat(&maps)?));
        }
        let tensors = inputs.iter().map(Value::to_tensor).collect::<Result<Vec<_>>>()?;
        Ok(inputs[0].with(Tensor::cat(&tensors, self.axis)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let widths: Vec<usize> = at.input_shapes().map(|shape| shape[self.axis]).collect();
        if self.axis == 1 && dy.is_map() {
            let parts = concat_vjp(&dy.map()?, &widths)?;
            return Ok(parts.into_iter().map(|part| dy.with_map(part)).collect());
        }
        let whole = dy.to_tensor()?;
        let mut start = 0;
        let part = |width: usize| {
            let part = whole.narrow(self.axis, start, width);
            start += width;
            Ok(dy.with(part?))
        };
        widths.into_iter().map(part).collect()
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
