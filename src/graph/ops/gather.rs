//! Values at given places.

use super::prelude::*;
use crate::kernels::{Separable, gather_channels};

/// The values at given places along an axis, in any order and as often as they are named: a shuffle of channels, an
/// embedding, the token of the class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    axis: usize,
    places: Vec<u32>,
    /// What takes the place of the axis.
    shape: Shape,
}

impl Gather {
    /// At `places` along `axis`, which an array of this shape takes the place of.
    ///
    /// # Errors
    /// If the shape does not hold as many, or a place is beyond 2³².
    pub fn new(axis: usize, places: &[usize], shape: Shape) -> Result<Self> {
        if shape.iter().product::<usize>() != places.len() {
            bail!("{} places do not fill the shape {shape:?}", places.len());
        }
        let places = places.iter().map(|&place| u32::try_from(place).map_err(candle_core::Error::wrap));
        Ok(Self { axis, places: places.collect::<Result<_>>()?, shape })
    }

    /// The gathering of a map's channels, if it is one.
    fn of_channels(&self, value: &Value, shape: &[usize]) -> Result<Option<Separable>> {
        if self.axis != 1 || self.shape.len() != 1 || !value.is_map() {
            return Ok(None);
        }
        let places: Vec<usize> = self.places.iter().map(|place| *place as usize).collect();
        gather_channels(map_shape(shape)?, &places).map(Some)
    }
}

impl Operator for Gather {
    fn kind(&self) -> Kind {
        Kind::other("gathering")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        within(self.axis, inputs[0])?;
        let length = inputs[0][self.axis];
        if let Some(place) = self.places.iter().find(|place| **place as usize >= length) {
            bail!("there is no place {place} among {length}");
        }
        let mut shape = inputs[0].to_vec();
        shape.splice(self.axis..=self.axis, self.shape.iter().copied());
        Ok(shape)
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.axis > 0
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        if let Some(gather) = self.of_channels(&x, &x.shape())? {
            return Ok(x.with_map(gather.forward(&x.map()?)?));
        }
        let shape = self.output_shape(&[&x.shape()])?;
        Ok(x.with(picked(&x.to_tensor()?, self.axis, self.places.clone())?.reshape(shape)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        if let Some(gather) = self.of_channels(&dy, at.input_shape(0))? {
            return Ok(vec![dy.with_map(gather.vjp(&dy.map()?)?)]);
        }
        let mut flat = at.input_shape(0).to_vec();
        let length = std::mem::replace(&mut flat[self.axis], self.places.len());
        let dx = put_back(&dy.to_tensor()?.reshape(flat)?, self.axis, self.places.clone(), length)?;
        Ok(vec![dy.with(dx)])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
