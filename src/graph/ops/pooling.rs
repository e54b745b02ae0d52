//! Pooling.

use super::prelude::*;
use crate::kernels::{GlobalAvgPool, MaxPool};

/// The largest value of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPooling(pub(in crate::graph) MaxPool);

impl MaxPooling {
    /// Over these windows.
    #[must_use]
    pub fn new(pool: MaxPool) -> Self {
        Self(pool)
    }

    /// A window's rise goes to the pixel that is largest at the point and its fall to the one that is largest at the
    /// reference: whichever of the two windows is higher has its winner where the two differ.
    fn deeplift(&self, at: &Point<'_>, reference: &Point<'_>, dy: &Value) -> Result<Vec<Value>> {
        let difference = |a: &Value, b: &Value| a.to_tensor()? - b.to_tensor()?;
        let x = difference(at.input(0)?, reference.input(0)?)?;
        let y = difference(at.output()?, reference.output()?)?;
        let through = |at: &Point<'_>, dy: Value| self.0.vjp(&at.input(0)?.map()?, &dy.into_map()?)?.to_tensor();
        let slope = through(at, dy.clone())?;
        let shared = dy.to_tensor()?.mul(&y)?;
        let rises = y.ge(0.0)?;
        let zero = shared.zeros_like()?;
        let (up, down) = (rises.where_cond(&shared, &zero)?, rises.where_cond(&zero, &shared)?);
        let shared = (through(at, dy.with(up))? + through(reference, dy.with(down))?)?;
        Ok(vec![dy.with(rescaled(&shared, &x, &slope)?)])
    }
}

impl Operator for MaxPooling {
    fn kind(&self) -> &'static str {
        "max-pooling"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        Ok(shape_of_maps(inputs[0][0], self.0.output_shape(map_shape(inputs[0])?)?))
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        Ok(x.with_map(self.0.forward(&x.map()?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let x = at.input(0)?;
        Ok(vec![x.with_map(self.0.vjp(&x.map()?, &dy.into_map()?)?)])
    }

    fn rules(&self) -> Rules<'_> {
        let deeplift = DeepLift::Own(Box::new(|at, reference, dy| self.deeplift(at, reference, &dy)));
        Rules { deeplift, ..Rules::MOVING }
    }
}

/// The mean over all pixels of each channel: `[N, C, H, W]` to `[N, C, 1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalAveragePooling;

impl Operator for GlobalAveragePooling {
    fn kind(&self) -> &'static str {
        "global average pooling"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let [c, _, _] = map_shape(inputs[0])?;
        Ok(shape_of_maps(inputs[0][0], [c, 1, 1]))
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        Ok(x.with_map(GlobalAvgPool.forward(&x.map()?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let [_, h, w] = map_shape(at.input_shape(0))?;
        Ok(vec![dy.with_map(GlobalAvgPool.vjp((h, w), &dy.map()?)?)])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::LINEAR
    }
}
