//! Other sizes of maps.

use super::prelude::*;
use crate::kernels::{self, Separable};

/// Maps of another height and width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resize(kernels::Resize);

impl Resize {
    /// In this way.
    #[must_use]
    pub fn new(resize: kernels::Resize) -> Self {
        Self(resize)
    }

    fn separable(&self, shape: &[usize]) -> Result<Separable> {
        self.0.separable(map_shape(shape)?)
    }
}

impl Operator for Resize {
    fn kind(&self) -> Kind {
        Kind::other("resizing")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        Ok(shape_of_maps(inputs[0][0], self.separable(inputs[0])?.output_shape()))
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        Ok(x.with_map(self.separable(&x.shape())?.forward(&x.map()?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![dy.with_map(self.separable(at.input_shape(0))?.vjp(&dy.map()?)?)])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::LINEAR
    }
}
