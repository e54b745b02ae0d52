//! One of two values.

use super::prelude::*;

/// Of two values the first wherever a condition holds, the second elsewhere. The condition is frozen, or the first of three
/// inputs: it holds where it is not 0, and no gradient goes there.
#[derive(Debug)]
pub struct Select {
    /// 1 where it holds, 0 elsewhere, if it is frozen.
    condition: Option<Tensor>,
}

impl Select {
    /// By a condition (float32) that holds where it is not 0. All three stretch to one shape.
    ///
    /// # Errors
    /// If candle cannot compare it.
    pub fn new(condition: &Tensor) -> Result<Self> {
        Ok(Self { condition: Some(condition.ne(0f32)?) })
    }

    /// By its first input.
    #[must_use]
    pub fn by_input() -> Self {
        Self { condition: None }
    }

    /// How many inputs stand before the two values.
    fn before(&self) -> usize {
        usize::from(self.condition.is_none())
    }

    fn condition(&self, input: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        self.condition.as_ref().map_or_else(|| input()?.ne(0f32), |frozen| Ok(frozen.clone()))
    }
}

impl Operator for Select {
    fn kind(&self) -> Kind {
        Kind::other("choice")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        let count = 2 + self.before();
        count..=count
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let frozen = self.condition.iter().map(Tensor::dims);
        inputs.iter().copied().chain(frozen).try_fold(Shape::new(), |shape, other| broadcast_shape(&shape, other))
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        let frozen: Vec<&[usize]> = self.condition.iter().map(Tensor::dims).collect();
        keeps_batches(inputs, &frozen)
    }

    fn saves(&self) -> Saves {
        if self.condition.is_some() { Saves::Nothing } else { Saves::Inputs }
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let shapes: Vec<Shape> = inputs.iter().map(Value::shape).collect();
        let shape = self.output_shape(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let stretched = |x: &Tensor| x.broadcast_as(shape.as_slice())?.contiguous();
        let condition = stretched(&self.condition(|| inputs[0].to_tensor())?)?;
        let (a, b) = (&inputs[self.before()], &inputs[self.before() + 1]);
        Ok(a.with(condition.where_cond(&stretched(&a.to_tensor()?)?, &stretched(&b.to_tensor()?)?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let gradient = dy.to_tensor()?;
        let condition = self.condition(|| at.input(0)?.to_tensor())?;
        let condition = condition.broadcast_as(gradient.shape())?.contiguous()?;
        let zeros = gradient.zeros_like()?;
        let mut each = vec![condition.where_cond(&gradient, &zeros)?, condition.where_cond(&zeros, &gradient)?];
        if self.condition.is_none() {
            each.insert(0, zeros);
        }
        let summed = |(k, dx): (usize, Tensor)| Ok(dy.with(summed_to(&dx, at.input_shape(k))?));
        each.into_iter().enumerate().map(summed).collect()
    }

    fn rules(&self) -> Rules<'_> {
        if self.condition.is_some() { Rules::MOVING } else { Rules { deeplift: DeepLift::Unknown, ..Rules::MOVING } }
    }
}
