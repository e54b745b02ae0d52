//! Softmax.

use super::prelude::*;
use crate::kernels;

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

    fn function(&self, layout: Layout, rank: usize) -> kernels::Softmax {
        kernels::Softmax { axes: layout.places(rank, &[self.axis]), log: self.logarithm }
    }

    fn sum(&self, x: &Tensor) -> Result<Tensor> {
        x.sum_keepdim(self.axis)
    }

    /// The product of the Jacobian at the point and the input: what the output would be if it were linear.
    fn tangent(&self, at: &Point<'_>) -> Result<Tensor> {
        let (x, y) = (at.input(0)?.to_tensor()?, at.output()?.to_tensor()?);
        let s = if self.logarithm { y.exp()? } else { y };
        let mean = self.sum(&(&s * &x)?)?;
        let along = x.broadcast_sub(&mean)?;
        if self.logarithm { Ok(along) } else { s * along }
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
    fn kind(&self) -> Kind {
        if self.logarithm { Kind::other("logarithm of a softmax") } else { Kind::new("softmax", Family::Softmax) }
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        within_a_map(&[self.axis], inputs[0], "a softmax")?;
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
        let (shape, layout, kernels) = (x.shape(), x.layout(), x.kernels());
        let y = self.function(layout, shape.len()).forward(&x.laid_out(layout)?)?;
        Value::of_laid_out(y, layout, shape, kernels)
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let y = at.output()?;
        let (shape, layout, kernels) = (y.shape(), y.layout(), y.kernels());
        let dx = self.function(layout, shape.len()).vjp(&y.clone().laid_out(layout)?, &dy.laid_out(layout)?)?;
        Ok(vec![Value::of_laid_out(dx, layout, shape, kernels)?])
    }

    fn rules(&self) -> Rules<'_> {
        let biases = Biases::Own(Box::new(|at, dy| {
            Ok(Some((dy.to_tensor()? * (at.output()?.to_tensor()? - self.tangent(at)?)?)?))
        }));
        let share = |at: &Point<'_>, relevance: Value, _| self.share(at, &relevance);
        let lrp = if self.logarithm { Lrp::Unknown } else { Lrp::Own(Box::new(share)) };
        Rules { deeplift: DeepLift::Unknown, lrp, biases }
    }
}
