//! Normalisation by the root mean square.

use super::prelude::*;

/// x / √(mean x² + ε) · scale over the last axis (Zhang & Sennrich 2019, arXiv:1910.07467).
#[derive(Debug, Clone)]
pub struct RmsNorm {
    scale: Option<Tensor>,
    epsilon: f64,
}

impl RmsNorm {
    /// With a scale `[C]`.
    #[must_use]
    pub fn new(scale: Option<Tensor>, epsilon: f64) -> Self {
        Self { scale, epsilon }
    }

    /// 1 / √(mean x² + ε).
    fn factor(&self, x: &Tensor) -> Result<Tensor> {
        (x.sqr()?.mean_keepdim(x.rank() - 1)? + self.epsilon)?.sqrt()?.recip()
    }

    fn scaled(&self, x: Tensor) -> Result<Tensor> {
        match &self.scale {
            Some(scale) => x.broadcast_mul(scale),
            None => Ok(x),
        }
    }
}

impl Operator for RmsNorm {
    fn kind(&self) -> Kind {
        Kind::new("RMS norm", Family::Norm)
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let channels = self.scale.as_ref().map(Tensor::elem_count);
        match inputs[0].last() {
            Some(last) if channels.is_none_or(|channels| channels == *last) => Ok(inputs[0].to_vec()),
            _ => bail!("an RMS norm of other channels came with a value of shape {:?}", inputs[0]),
        }
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        inputs[0].len() > 1
    }

    fn parameters(&self) -> usize {
        self.scale.as_ref().map_or(0, Tensor::elem_count)
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let value = only(inputs)?;
        let x = value.to_tensor()?;
        Ok(value.with(self.scaled(x.broadcast_mul(&self.factor(&x)?)?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let x = at.input(0)?.to_tensor()?;
        let factor = self.factor(&x)?;
        let direct = self.scaled(dy.to_tensor()?)?;
        let along = (&direct * &x)?.mean_keepdim(x.rank() - 1)?.broadcast_mul(&factor.sqr()?)?;
        Ok(vec![dy.with((direct - x.broadcast_mul(&along)?)?.broadcast_mul(&factor)?)])
    }

    fn rules(&self) -> Rules<'_> {
        // As the other norms (Achtibat et al. 2024, arXiv:2402.05602).
        Rules { deeplift: DeepLift::Unknown, ..Rules::POINTWISE }
    }
}
