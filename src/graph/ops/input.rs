//! The picture.

use super::prelude::*;

/// What goes in: pictures of so many channels. It is node 0 of every graph and no other; it hands on what it is given.
#[derive(Debug)]
pub struct Input {
    pub channels: usize,
}

impl Operator for Input {
    fn kind(&self) -> Kind {
        Kind::other("input")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let [c, h, w] = map_shape(inputs[0])?;
        if c != self.channels {
            bail!("pictures of {c} channels came where {} are due", self.channels);
        }
        Ok(shape_of_maps(inputs[0][0], [c, h, w]))
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        only(inputs)
    }

    fn vjp(&self, _: &Point<'_>, _: Value) -> Result<Vec<Value>> {
        Ok(vec![])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
