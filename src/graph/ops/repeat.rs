//! Values repeated.

use super::prelude::*;

/// A value stretched along its axes of length 1, and along new ones before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expand {
    shape: Shape,
}

impl Expand {
    /// To `shape`, that of one picture, as far as the value does not fill it already.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape }
    }
}

impl Operator for Expand {
    fn kind(&self) -> Kind {
        Kind::other("expansion")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        broadcast_shape(inputs[0], &self.shape)
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        inputs[0].len() > self.shape.len()
            || inputs[0].len() == self.shape.len() && inputs[0].first() == Some(&1) && self.shape.first() == Some(&1)
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        let shape = self.output_shape(&[&x.shape()])?;
        Ok(x.with(x.to_tensor()?.broadcast_as(shape)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![dy.with(summed_to(&dy.to_tensor()?, at.input_shape(0))?)])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}

/// A value laid beside itself, so many times along each axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    repeats: Vec<usize>,
}

impl Tile {
    /// So many times along each axis.
    #[must_use]
    pub fn new(repeats: Vec<usize>) -> Self {
        Self { repeats }
    }
}

impl Operator for Tile {
    fn kind(&self) -> Kind {
        Kind::other("tiling")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        if self.repeats.len() != inputs[0].len() {
            bail!("a value of shape {:?} cannot be repeated {:?} times", inputs[0], self.repeats);
        }
        Ok(inputs[0].iter().zip(&self.repeats).map(|(length, times)| length * times).collect())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.repeats.first() == Some(&1)
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        Ok(x.with(x.to_tensor()?.repeat(self.repeats.clone())?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let mut dx = dy.to_tensor()?;
        for (axis, (&length, &times)) in at.input_shape(0).iter().zip(&self.repeats).enumerate() {
            if times > 1 {
                let mut copies = dx.dims().to_vec();
                copies.splice(axis..=axis, [times, length]);
                dx = dx.reshape(copies)?.sum(axis)?;
            }
        }
        Ok(vec![dy.with(dx)])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
