//! Softmax.

use super::prelude::*;

/// e^x / Σ e^x along an axis, or its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax {
    axis: usize,
    logarithm: bool,
}

impl Softmax {
    /// Along `axis`.
    #[must_use]
    pub fn new(axis: usize) -> Self {
        Self { axis, logarithm: false }
    }

    /// Its logarithm.
    #[must_use]
    pub fn logarithm(axis: usize) -> Self {
        Self { axis, logarithm: true }
    }

    fn sum(&self, x: &Tensor) -> Result<Tensor> {
        x.sum_keepdim(self.axis)
    }

    /// The product of the Jacobian at the point, which is symmetric for the softmax, and `v`.
    fn jacobian(&self, at: &Point<'_>, v: &Tensor, transposed: bool) -> Result<Tensor> {
        let y = at.output()?.to_tensor()?;
        match (self.logarithm, transposed) {
            (false, _) => &y * v.broadcast_sub(&self.sum(&(&y * v)?)?)?,
            (true, true) => v - y.exp()?.broadcast_mul(&self.sum(v)?)?,
            (true, false) => v.broadcast_sub(&self.sum(&(y.exp()? * v)?)?),
        }
    }

    /// x_i (R_i − s_i Σ R_j), the first order at the point (Achtibat et al. 2024, arXiv:2402.05602); what it leaves counts as
    /// a bias's.
    fn share(&self, at: &Point<'_>, relevance: &Value) -> Result<Shared> {
        let given = relevance.to_tensor()?;
        let back = (&given - (at.output()?.to_tensor()?.broadcast_mul(&self.sum(&given)?)?))?;
        let shared = (at.input(0)?.to_tensor()? * back)?;
        let total = |x: &Tensor| Ok::<f64, candle_core::Error>(f64::from(x.sum_all()?.to_scalar::<f32>()?));
        let biases = total(&given)? - total(&shared)?;
        Ok(Shared { inputs: vec![relevance.with(shared)], biases })
    }
}

impl Operator for Softmax {
    fn kind(&self) -> &'static str {
        if self.logarithm { "logarithm of a softmax" } else { "softmax" }
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        within(self.axis, inputs[0])?;
        Ok(inputs[0].to_vec())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.axis > 0
    }

    fn saves(&self) -> Saves {
        Saves::Output
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        let shifted = x.to_tensor()?;
        let shifted = shifted.broadcast_sub(&shifted.max_keepdim(self.axis)?)?;
        let e = shifted.exp()?;
        let sum = self.sum(&e)?;
        Ok(x.with(if self.logarithm { shifted.broadcast_sub(&sum.log()?)? } else { e.broadcast_div(&sum)? }))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![dy.with(self.jacobian(at, &dy.to_tensor()?, true)?)])
    }

    fn rules(&self) -> Rules<'_> {
        let biases = Biases::Own(Box::new(|at, dy| {
            let tangent = self.jacobian(at, &at.input(0)?.to_tensor()?, false)?;
            Ok(Some((dy.to_tensor()? * (at.output()?.to_tensor()? - tangent)?)?))
        }));
        let share = |at: &Point<'_>, relevance: Value, _| self.share(at, &relevance);
        let lrp = if self.logarithm { Lrp::Unknown } else { Lrp::Own(Box::new(share)) };
        Rules { deeplift: DeepLift::Unknown, lrp, biases }
    }
}
