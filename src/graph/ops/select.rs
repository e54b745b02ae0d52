//! One of two values.

use super::prelude::*;

/// Of two values the first wherever a frozen condition holds, the second elsewhere.
#[derive(Debug)]
pub struct Select {
    /// 1 where it holds, 0 elsewhere.
    condition: Tensor,
}

impl Select {
    /// By a condition (float32) that holds where it is not 0. All three stretch to one shape.
    ///
    /// # Errors
    /// If candle cannot compare it.
    pub fn new(condition: &Tensor) -> Result<Self> {
        Ok(Self { condition: condition.ne(0f32)? })
    }
}

impl Operator for Select {
    fn kind(&self) -> &'static str {
        "choice"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        broadcast_shape(&broadcast_shape(inputs[0], inputs[1])?, self.condition.dims())
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        keeps_batches(inputs, &[self.condition.dims()])
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let [a, b] = exactly(inputs)?;
        let shape = self.output_shape(&[&a.shape(), &b.shape()])?;
        let stretched = |x: &Tensor| x.broadcast_as(shape.as_slice())?.contiguous();
        let condition = stretched(&self.condition)?;
        Ok(a.with(condition.where_cond(&stretched(&a.to_tensor()?)?, &stretched(&b.to_tensor()?)?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let gradient = dy.to_tensor()?;
        let condition = self.condition.broadcast_as(gradient.shape())?.contiguous()?;
        let zeros = gradient.zeros_like()?;
        let (of_a, of_b) = (condition.where_cond(&gradient, &zeros)?, condition.where_cond(&zeros, &gradient)?);
        let summed = |(k, dx): (usize, Tensor)| Ok(dy.with(summed_to(&dx, at.input_shape(k))?));
        [of_a, of_b].into_iter().enumerate().map(summed).collect()
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
