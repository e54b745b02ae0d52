//! Pooling.

use super::prelude::*;
use crate::kernels::{AvgPool, GlobalAvgPool, MaxPool};

/// The largest value of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPooling(pub(in crate::graph) MaxPool);

impl MaxPooling {
    /// Over these windows.
    #[must_use]
    pub fn new(pool: MaxPool) -> Self {
        Self(pool)
    }
}

impl Operator for MaxPooling {
    fn kind(&self) -> Kind {
        Kind::new("max-pooling", Family::Pooling)
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
        let deeplift = DeepLift::Own(Box::new(|at, reference, dy| winners(self, at, reference, &dy, true)));
        Rules { deeplift, ..Rules::MOVING }
    }
}

/// The mean of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AveragePooling(AvgPool);

impl AveragePooling {
    /// Over these windows.
    #[must_use]
    pub fn new(pool: AvgPool) -> Self {
        Self(pool)
    }
}

impl Operator for AveragePooling {
    fn kind(&self) -> Kind {
        Kind::new("average pooling", Family::Pooling)
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
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        Ok(x.with_map(self.0.forward(&x.map()?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let [_, h, w] = map_shape(at.input_shape(0))?;
        Ok(vec![dy.with_map(self.0.vjp((h, w), &dy.map()?)?)])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::LINEAR
    }
}

/// The mean over all pixels of each channel: `[N, C, H, W]` to `[N, C, 1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalAveragePooling;

impl Operator for GlobalAveragePooling {
    fn kind(&self) -> Kind {
        Kind::new("global average pooling", Family::Pooling)
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
