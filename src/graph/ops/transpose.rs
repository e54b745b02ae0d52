//! Axes in another order.

use super::prelude::*;

/// The axes in another order: axis k of the output is axis `permutation[k]` of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transpose {
    permutation: Vec<usize>,
}

impl Transpose {
    /// Into this order.
    #[must_use]
    pub fn new(permutation: Vec<usize>) -> Self {
        Self { permutation }
    }

    fn inverse(&self) -> Vec<usize> {
        let mut inverse = vec![0; self.permutation.len()];
        for (to, from) in self.permutation.iter().enumerate() {
            inverse[*from] = to;
        }
        inverse
    }
}

fn permuted(x: Value, permutation: &[usize]) -> Result<Value> {
    match permutation {
        // Maps lie in memory with their channels last: these two are a matter of how they are called.
        [0, 2, 3, 1] if x.is_map() => x.channels_last(),
        [0, 3, 1, 2] => x.channels_first(),
        _ => Ok(x.with(x.to_tensor()?.permute(permutation)?)),
    }
}

impl Operator for Transpose {
    fn kind(&self) -> Kind {
        Kind::other("transposition")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let rank = inputs[0].len();
        if self.permutation.len() != rank || !(0..rank).all(|axis| self.permutation.contains(&axis)) {
            bail!("{:?} is no order of the axes of a value of shape {:?}", self.permutation, inputs[0]);
        }
        Ok(self.permutation.iter().map(|&axis| inputs[0][axis]).collect())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.permutation.first() == Some(&0)
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        permuted(only(inputs)?, &self.permutation)
    }

    fn vjp(&self, _: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![permuted(dy, &self.inverse())?])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
