//! Adam (Kingma & Ba 2015), with PyTorch's defaults: β₁ 0.9, β₂ 0.999, ε 1e-8.

use crate::error::Result;
use candle_core::Tensor;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The moments of one tensor's gradient.
#[derive(Debug, Clone)]
pub struct Adam {
    mean: Tensor,
    variance: Tensor,
    updates: i32,
}

impl Adam {
    /// Fresh moments for a tensor of the shape of `x`.
    ///
    /// # Errors
    /// If candle cannot allocate them.
    pub fn new(x: &Tensor) -> Result<Self> {
        Ok(Self { mean: x.zeros_like()?, variance: x.zeros_like()?, updates: 0 })
    }

    /// The moments of a run that is taken up again.
    #[must_use]
    pub fn resumed(mean: Tensor, variance: Tensor, updates: i32) -> Self {
        Self { mean, variance, updates }
    }

    /// Mean and variance of the gradient, and the updates they stand for.
    #[must_use]
    pub fn moments(&self) -> (&Tensor, &Tensor, i32) {
        (&self.mean, &self.variance, self.updates)
    }

    /// `x` after one descent step against `gradient` with the given step size.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn step(&mut self, x: &Tensor, gradient: &Tensor, step_size: f64) -> Result<Tensor> {
        self.updates += 1;
        self.mean = ((&self.mean * BETA1)? + (gradient * (1.0 - BETA1))?)?;
        self.variance = ((&self.variance * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
        let mean = (&self.mean / (1.0 - BETA1.powi(self.updates)))?;
        let deviation = (&self.variance / (1.0 - BETA2.powi(self.updates)))?.sqrt()?;
        Ok((x - (mean / (deviation + EPSILON)?)? * step_size)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_first_step_has_the_step_size_and_a_parabola_is_descended() -> Result<()> {
        let mut x = Tensor::new(&[3f32, -2.0], &Device::Cpu)?;
        let mut adam = Adam::new(&x)?;
        x = adam.step(&x, &(&x * 2.0)?, 0.1)?;
        let first = x.to_vec1::<f32>()?;
        assert!((first[0] - 2.9).abs() < 1e-5 && (first[1] + 1.9).abs() < 1e-5, "{first:?}");
        for _ in 0..200 {
            x = adam.step(&x, &(&x * 2.0)?, 0.1)?;
        }
        assert!(x.abs()?.max_all()?.to_scalar::<f32>()? < 0.05);
        Ok(())
    }
}
