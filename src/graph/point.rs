//! Where an operator is differentiated.

use super::value::{Shape, Value};
use crate::kernels::ReluRule;
use candle_core::{Result, bail};

/// What one forward pass left of an operator: its inputs and its output as far as they were kept, and their shapes.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    pub(super) values: &'a [Option<Value>],
    pub(super) shapes: &'a [Shape],
    pub(super) inputs: &'a [usize],
    pub(super) node: usize,
    /// How rectifiers pass gradients.
    pub rule: ReluRule,
}

impl<'a> Point<'a> {
    /// The value of input `k`.
    ///
    /// # Errors
    /// If the pass did not keep it, because the operator does not say that it needs it.
    pub fn input(&self, k: usize) -> Result<&'a Value> {
        match self.inputs.get(k) {
            Some(&input) => self.value(input),
            None => bail!("the operator of node {} has no input {k}", self.node),
        }
    }

    /// The value of the output.
    ///
    /// # Errors
    /// As for [`Point::input`].
    pub fn output(&self) -> Result<&'a Value> {
        self.value(self.node)
    }

    /// The shape of input `k`, which the operator has.
    #[must_use]
    pub fn input_shape(&self, k: usize) -> &'a [usize] {
        &self.shapes[self.inputs[k]]
    }

    /// The shapes of all inputs.
    pub fn input_shapes(&self) -> impl Iterator<Item = &'a [usize]> + use<'a> {
        let shapes = self.shapes;
        self.inputs.iter().map(move |&input| shapes[input].as_slice())
    }

    /// The shape of the output.
    #[must_use]
    pub fn output_shape(&self) -> &'a [usize] {
        &self.shapes[self.node]
    }

    fn value(&self, node: usize) -> Result<&'a Value> {
        match &self.values[node] {
            Some(value) => Ok(value),
            None => bail!("node {node} was not kept for the backward pass"),
        }
    }
}
