//! Frozen values.

use super::prelude::*;

/// A value that is always the same: a learned token, a matrix that stands on the left of a product.
#[derive(Debug)]
pub struct Constant {
    value: Tensor,
}

impl Constant {
    /// This value, float32, on the device of the network.
    #[must_use]
    pub fn new(value: Tensor) -> Self {
        Self { value }
    }
}

impl Operator for Constant {
    fn kind(&self) -> Kind {
        Kind::other("constant")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn output_shape(&self, _: &[&[usize]]) -> Result<Shape> {
        Ok(self.value.dims().to_vec())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        // What it meets may hold several pictures, it holds one.
        false
    }

    fn parameters(&self) -> usize {
        self.value.elem_count()
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, _: Vec<Value>) -> Result<Value> {
        Ok(Value::of_tensor(self.value.clone(), KernelSet::default()))
    }

    fn vjp(&self, _: &Point<'_>, _: Value) -> Result<Vec<Value>> {
        Ok(vec![])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
