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
    fn kind(&self) -> Kind {
        let (family, words) = match self.0 {
            Function::Sigmoid => (Family::Other, "sigmoid"),
            Function::HardSigmoid { .. } => (Family::Other, "hard sigmoid"),
            Function::HardSwish => (Family::Rectifier, "hard swish"),
            Function::Silu { .. } => (Family::Rectifier, "SiLU"),
            Function::Gelu | Function::GeluTanh => (Family::Rectifier, "GELU"),
            Function::LeakyRelu { .. } => (Family::Rectifier, "leaky ReLU"),
            Function::Elu { .. } => (Family::Rectifier, "ELU"),
            Function::Selu { .. } => (Family::Rectifier, "SELU"),
            Function::Celu { .. } => (Family::Rectifier, "CELU"),
            Function::Tanh => (Family::Other, "tanh"),
            Function::Softplus => (Family::Other, "softplus"),
            Function::Softsign => (Family::Other, "softsign"),
            Function::Mish => (Family::Rectifier, "mish"),
            Function::Clip { .. } => (Family::Other, "clipping"),
            Function::Exp => (Family::Other, "exponential"),
            Function::Log => (Family::Other, "logarithm"),
            Function::Sqrt => (Family::Other, "square root"),
            Function::Reciprocal => (Family::Other, "reciprocal"),
            Function::Abs => (Family::Other, "magnitude"),
            Function::Neg => (Family::Other, "negation"),
            Function::Erf => (Family::Other, "error function"),
            Function::Power { .. } => (Family::Other, "power"),
            Function::Square => (Family::Other, "square"),
            Function::Sin => (Family::Other, "sine"),
            Function::Cos => (Family::Other, "cosine"),
            Function::Floor | Function::Ceil | Function::Round => (Family::Other, "rounding"),
            Function::Sign => (Family::Other, "sign"),
        };
        Kind::new(words, family)
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
