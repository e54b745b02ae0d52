//! Sums.

use super::prelude::*;

/// The sum of two values of one shape: a residual connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum;

impl Operator for Sum {
    fn kind(&self) -> Kind {
        Kind::other("sum")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        if inputs[0] != inputs[1] {
            bail!("values of shape {:?} and {:?} cannot be added", inputs[0], inputs[1]);
        }
        Ok(inputs[0].to_vec())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let [a, b] = exactly(inputs)?;
        a.accumulate(&b)
    }

    fn vjp(&self, _: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![dy.clone(), dy])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::LINEAR
    }
}
