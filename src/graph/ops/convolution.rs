//! Convolutions, and transposed ones.

use super::prelude::*;
use super::weighted;
use crate::kernels::{Conv2d, ConvTranspose2d};
use rand::RngCore;
use std::sync::Arc;

/// A convolution, what follows it channel by channel (a batch-norm in evaluation mode) in its scale and bias.
#[derive(Debug)]
pub struct Convolution(pub(in crate::graph) Conv2d);

/// A transposed convolution: a convolution's gradient run forwards.
#[derive(Debug)]
pub struct TransposedConvolution(ConvTranspose2d);

impl Convolution {
    /// Of maps.
    #[must_use]
    pub fn new(conv: Conv2d) -> Self {
        Self(conv)
    }

    fn name(&self) -> &'static str {
        if self.0.is_depthwise() { "depthwise convolution" } else { "convolution" }
    }
}

impl TransposedConvolution {
    /// Of maps.
    #[must_use]
    pub fn new(conv: ConvTranspose2d) -> Self {
        Self(conv)
    }

    #[expect(clippy::unused_self, reason = "as for convolutions, which are of two kinds")]
    fn name(&self) -> &'static str {
        "transposed convolution"
    }
}

macro_rules! convolutions {
    ($($operator:ident),+) => {$(
        impl Operator for $operator {
            fn kind(&self) -> Kind {
                Kind::new(self.name(), Family::Convolution)
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

            fn macs(&self, inputs: &[&[usize]]) -> usize {
                map_shape(inputs[0]).map_or(0, |shape| self.0.macs(shape))
            }

            fn parameters(&self) -> usize {
                self.0.parameters()
            }

            fn saves(&self) -> Saves {
                Saves::Nothing
            }

            fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
                let x = only(inputs)?;
                Ok(x.with_map(self.0.forward(&x.map()?, None)?))
            }

            fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
                let [_, h, w] = map_shape(at.input_shape(0))?;
                Ok(vec![dy.with_map(self.0.vjp((h, w), &dy.map()?)?)])
            }

            fn rules(&self) -> Rules<'_> {
                weighted::rules(self)
            }

            fn weighted(&self) -> Option<&dyn Weighted> {
                Some(self)
            }
        }

        impl Weighted for $operator {
            fn randomised(&self, mut rng: &mut dyn RngCore) -> Result<Arc<dyn Operator>> {
                Ok(Arc::new(Self(self.0.randomised(&mut rng)?)))
            }
        }

        impl weighted::Layer for $operator {
            fn bias(&self) -> Option<&Tensor> {
                self.0.bias()
            }

            fn axis(&self) -> usize {
                1
            }

            fn part(&self, positive: bool) -> Result<Self> {
                Ok(Self(if positive { self.0.positive_part()? } else { self.0.negative_part()? }))
            }
        }
    )+};
}

convolutions!(Convolution, TransposedConvolution);
