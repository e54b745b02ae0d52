//! Functions of each value alone.

use super::prelude::*;
use crate::kernels::Function;

/// y = f(x) for each value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elementwise(Function);

impl Elementwise {
    /// Of this function.
    #[must_use]
    pub fn new(function: Function) -> Self {
        Self(function)
    }
}

impl Operator for Elementwise {
    fn kind(&self) -> &'static str {
        match self.0 {
            Function::Sigmoid => "sigmoid",
            Function::HardSigmoid { .. } => "hard sigmoid",
            Function::HardSwish => "hard swish",
            Function::Silu { .. } => "SiLU",
            Function::Gelu | Function::GeluTanh => "GELU",
            Function::LeakyRelu { .. } => "leaky ReLU",
            Function::Elu { .. } => "ELU",
            Function::Selu { .. } => "SELU",
            Function::Celu { .. } => "CELU",
            Function::Tanh => "tanh",
            Function::Softplus => "softplus",
            Function::Softsign => "softsign",
            Function::Mish => "mish",
            Function::Clip { .. } => "clipping",
            Function::Exp => "exponential",
            Function::Log => "logarithm",
            Function::Sqrt => "square root",
            Function::Reciprocal => "reciprocal",
            Function::Abs => "magnitude",
            Function::Neg => "negation",
            Function::Erf => "error function",
            Function::Power { .. } => "power",
            Function::Square => "square",
            Function::Sin => "sine",
            Function::Cos => "cosine",
            Function::Floor | Function::Ceil | Function::Round => "rounding",
            Function::Sign => "sign",
        }
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        Ok(inputs[0].to_vec())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        only(inputs)?.pointwise(|x| self.0.forward(x))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![dy.pointwise_with(at.input(0)?, |dy, x| self.0.vjp(x, dy))?])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::POINTWISE
    }
}
