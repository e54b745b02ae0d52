//! Linear layers.

use super::prelude::*;
use super::weighted;
use crate::kernels::{Conv2d, ConvShape};
use rand::RngCore;
use std::sync::Arc;

/// y = W x + b along one axis: the last one of a value of any rank, or the channels of maps. It runs as a convolution of
/// single pixels.
#[derive(Debug)]
pub struct Linear {
    conv: Conv2d,
    axis: usize,
}

impl Linear {
    /// With `weight` `[O, I]` and `bias` `[O]`, both float32, along `axis`.
    ///
    /// # Errors
    /// If the shapes do not fit each other.
    pub fn new(weight: &Tensor, bias: Option<Tensor>, axis: usize) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let kernel = weight.reshape((outputs, inputs, 1, 1))?;
        Ok(Self { conv: Conv2d::new(kernel, bias, ConvShape::default())?, axis })
    }

    /// Whether the axis is that of the channels of maps, not the last.
    fn of_maps(&self, shape: &[usize]) -> bool {
        shape.len() == 4 && self.axis == 1
    }

    fn through(&self, x: Value, layer: impl FnOnce(&Map, (usize, usize)) -> Result<Map>) -> Result<Value> {
        let mut shape = x.shape();
        if self.of_maps(&shape) {
            let [_, h, w] = map_shape(&shape)?;
            return Ok(x.with_map(layer(&x.map()?, (h, w))?));
        }
        let kernels = x.kernels();
        let rows = x.into_rows()?;
        let [_, _, h, w] = rows.shape();
        let y = layer(&rows, (h, w))?;
        if let Some(last) = shape.last_mut() {
            *last = y.shape()[1];
        }
        Value::of_rows(y, shape, kernels)
    }
}

impl Operator for Linear {
    fn kind(&self) -> Kind {
        Kind::other("linear")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let mut shape = inputs[0].to_vec();
        if self.axis + 1 != shape.len() && !self.of_maps(&shape) {
            bail!("a linear layer along axis {} cannot read a value of shape {shape:?}", self.axis);
        }
        shape[self.axis] = self.conv.output_shape([shape[self.axis], 1, 1])?[0];
        Ok(shape)
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.axis > 0
    }

    fn macs(&self, inputs: &[&[usize]]) -> usize {
        let rows = inputs[0].iter().product::<usize>() / inputs[0][self.axis].max(1);
        rows * self.conv.macs([inputs[0][self.axis], 1, 1])
    }

    fn parameters(&self) -> usize {
        self.conv.parameters()
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        self.through(only(inputs)?, |x, _| self.conv.forward(x, None))
    }

    fn vjp(&self, _: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![self.through(dy, |dy, size| self.conv.vjp(size, dy))?])
    }

    fn rules(&self) -> Rules<'_> {
        weighted::rules(self)
    }

    fn weighted(&self) -> Option<&dyn Weighted> {
        Some(self)
    }
}

impl Weighted for Linear {
    fn randomised(&self, mut rng: &mut dyn RngCore) -> Result<Arc<dyn Operator>> {
        Ok(Arc::new(Self { conv: self.conv.randomised(&mut rng)?, axis: self.axis }))
    }
}

impl weighted::Layer for Linear {
    fn bias(&self) -> Option<&Tensor> {
        self.conv.bias()
    }

    fn axis(&self) -> usize {
        self.axis
    }

    fn part(&self, positive: bool) -> Result<Self> {
        let conv = if positive { self.conv.positive_part()? } else { self.conv.negative_part()? };
        Ok(Self { conv, axis: self.axis })
    }
}
