//! Rectifiers.

use super::prelude::*;
use crate::kernels::Activation;

/// y = clamp(x, 0, cap): what guided backpropagation and deconvnet have rules for, and what runs in the same pass as the
/// convolution before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectifier(pub(in crate::graph) Activation);

impl Rectifier {
    /// max(x, 0).
    pub const RELU: Self = Self(Activation::Relu);
    /// min(max(x, 0), 6).
    pub const RELU6: Self = Self(Activation::Relu6);

    /// The rectifier with these bounds, if there is one.
    #[must_use]
    pub fn between(low: f32, high: f32) -> Option<Self> {
        let bounds = |r: &Self| [0.0f32, r.0.cap()].map(f32::to_bits);
        [Self::RELU, Self::RELU6].into_iter().find(|r| bounds(r) == [low + 0.0, high].map(f32::to_bits))
    }

    /// What a saturated unit's cap counts: the gradient there times the cap.
    fn cap_term(self, at: &Point<'_>, dy: &Value) -> Result<Option<Tensor>> {
        let cap = self.0.cap();
        if cap.is_infinite() {
            return Ok(None);
        }
        let saturated = at.output()?.to_tensor()?.ge(cap)?.to_dtype(DType::F32)?;
        Ok(Some((dy.to_tensor()?.mul(&saturated)? * f64::from(cap))?))
    }
}

impl Operator for Rectifier {
    fn kind(&self) -> Kind {
        Kind::new(
            match self.0 {
                Activation::Relu => "ReLU",
                Activation::Relu6 => "ReLU6",
            },
            Family::Rectifier,
        )
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
        Saves::Output
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        only(inputs)?.pointwise(|x| self.0.forward(x))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![dy.pointwise_with(at.output()?, |dy, y| self.0.vjp(y, dy, at.rule))?])
    }

    fn rules(&self) -> Rules<'_> {
        let biases = Biases::Own(Box::new(|at, dy| self.cap_term(at, dy)));
        Rules { biases, ..Rules::POINTWISE }
    }
}
