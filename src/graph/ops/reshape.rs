//! The same values in another shape.

use super::prelude::*;

/// The same values in reading order in another shape: flattened, squeezed, split into heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reshape {
    shape: Shape,
}

impl Reshape {
    /// To `shape`, that of one picture; a leading 1 keeps pictures apart.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape }
    }
}

impl Operator for Reshape {
    fn kind(&self) -> Kind {
        Kind::other("reshaping")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let (count, own): (usize, usize) = (inputs[0].iter().product(), self.shape.iter().product());
        let mut shape = self.shape.clone();
        if count != own {
            match shape.first_mut() {
                Some(first @ 1) if own > 0 && count.is_multiple_of(own) && inputs[0][0] == count / own => {
                    *first = count / own;
                }
                _ => bail!("a value of shape {:?} cannot take the shape {:?}", inputs[0], self.shape),
            }
        }
        Ok(shape)
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        inputs[0].first() == Some(&1) && self.shape.first() == Some(&1)
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        let shape = self.output_shape(&[&x.shape()])?;
        x.reshaped(&shape)
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![dy.reshaped(at.input_shape(0))?])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
