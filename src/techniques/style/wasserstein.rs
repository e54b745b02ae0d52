//! The squared Wasserstein-2 distance between normal distributions (Dowson & Landau 1982), as a style loss:
//! ‖μ − μ'‖² + tr(Σ + Σ' − 2·(Σ'^½ Σ Σ'^½)^½), over ‖μ'‖² + tr Σ'.

use super::features::{Features, TINY, sum_of_squares};
use crate::error::Result;
use candle_core::{DType, Device, Tensor};

/// Added to covariances, as a share of their mean variance: roots of singular matrices have no gradient.
const RIDGE: f64 = 1e-3;
/// Newton–Schulz iterations: each about doubles the digits once the smallest eigenvalue has come near 1.
const ITERATIONS: usize = 18;

/// Mean `[C, 1]` and covariance `[C, C]` of a layer's activations over its places.
#[derive(Debug, Clone)]
pub struct Gaussian {
    pub(super) mean: Tensor,
    pub(super) covariance: Tensor,
}

impl Gaussian {
    pub(super) fn of(features: &Features) -> Result<Self> {
        let mean = features.mean()?;
        let centred = (&features.values - features.everywhere(&mean)?)?;
        let covariance = (centred.matmul(&centred.t()?)? / features.places)?;
        Ok(Self { mean, covariance })
    }
}

/// A style's distribution, to be matched.
#[derive(Debug)]
pub struct Wasserstein {
    mean: Tensor,
    /// Σ'^½.
    root: Tensor,
    trace: f64,
    power: f64,
}

impl Wasserstein {
    pub(super) fn new(target: Gaussian) -> Result<Self> {
        let covariance = ridged(&target.covariance)?;
        let (root, _) = roots(&covariance)?;
        let trace = trace(&covariance)?;
        let power = (sum_of_squares(&target.mean)? + trace).max(TINY);
        Ok(Self { mean: target.mean, root, trace, power })
    }

    /// The loss, and its gradient at the features' values `[C, places]`.
    pub(super) fn loss(&self, features: &Features) -> Result<(f64, Tensor)> {
        let here = Gaussian::of(features)?;
        let covariance = ridged(&here.covariance)?;
        let away = (&here.mean - &self.mean)?;
        let between = self.root.matmul(&covariance)?.matmul(&self.root)?;
        let (root, inverse) = roots(&ridged(&between)?)?;
        let distance = sum_of_squares(&away)? + trace(&covariance)? + self.trace - 2.0 * trace(&root)?;
        // The optimal map T = Σ'^½ (Σ'^½ Σ Σ'^½)^-½ Σ'^½ takes one to the other; ∂/∂Σ is I − T.
        let map = self.root.matmul(&inverse)?.matmul(&self.root)?;
        let slope = (identity(features.channels, map.device())? - map)?;
        let centred = (&features.values - features.everywhere(&here.mean)?)?;
        let gradient = (slope.matmul(&centred)? + features.everywhere(&away)?)?;
        Ok((distance.max(0.0) / self.power, (gradient * (2.0 / (features.places * self.power)))?))
    }
}

fn identity(n: usize, device: &Device) -> Result<Tensor> {
    Ok(Tensor::eye(n, DType::F32, device)?)
}

fn trace(x: &Tensor) -> Result<f64> {
    let (n, _) = x.dims2()?;
    Ok(f64::from((x * identity(n, x.device())?)?.sum_all()?.to_scalar::<f32>()?))
}

fn ridged(x: &Tensor) -> Result<Tensor> {
    let (n, _) = x.dims2()?;
    let ridge = (trace(x)? / n as f64).max(TINY) * RIDGE;
    Ok((x + (identity(n, x.device())? * ridge)?)?)
}

/// The square root of a positive definite matrix and its inverse, by the coupled Newton–Schulz iteration.
fn roots(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, _) = x.dims2()?;
    let norm = sum_of_squares(x)?.sqrt().max(TINY);
    let identity = identity(n, x.device())?;
    let (mut y, mut z) = ((x / norm)?, identity.clone());
    for _ in 0..ITERATIONS {
        let t = (((&identity * 3.0)? - z.matmul(&y)?)? * 0.5)?;
        y = y.matmul(&t)?;
        z = t.matmul(&z)?;
    }
    Ok(((y * norm.sqrt())?, (z / norm.sqrt())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{noise, step_rng};

    #[test]
    fn roots_are_roots() -> Result<()> {
        let a = noise(&mut step_rng(1, 0), &[6, 40], &Device::Cpu)?;
        let x = ridged(&(a.matmul(&a.t()?)? / 40.0)?)?;
        let (root, inverse) = roots(&x)?;
        let error =
            |a: &Tensor, b: &Tensor| -> Result<f64> { Ok((sum_of_squares(&(a - b)?)? / sum_of_squares(b)?).sqrt()) };
        assert!(error(&root.matmul(&root)?, &x)? < 1e-3);
        assert!(error(&root.matmul(&inverse)?, &identity(6, &Device::Cpu)?)? < 1e-3);
        Ok(())
    }

    #[test]
    fn the_loss_is_zero_at_the_style_and_has_the_gradient_of_its_value() -> Result<()> {
        let style = noise(&mut step_rng(2, 0), &[1, 4, 8, 9], &Device::Cpu)?;
        let target = Wasserstein::new(Gaussian::of(&Features::of(&style, None)?)?)?;
        assert!(target.loss(&Features::of(&style, None)?)?.0 < 1e-3);
        let x = ((noise(&mut step_rng(2, 1), &[1, 4, 6, 7], &Device::Cpu)? * 1.7)? + 0.4)?;
        let weights = noise(&mut step_rng(2, 3), &[1, 1, 6, 7], &Device::Cpu)?.abs()?;
        let direction = noise(&mut step_rng(2, 2), &[1, 4, 6, 7], &Device::Cpu)?;
        for weights in [None, Some(&weights)] {
            let loss = |x: &Tensor| -> Result<f64> { Ok(target.loss(&Features::of(x, weights)?)?.0) };
            let features = Features::of(&x, weights)?;
            let gradient = features.pull(target.loss(&features)?.1)?;
            let slope = f64::from((gradient * &direction)?.sum_all()?.to_scalar::<f32>()?);
            let measured = (loss(&(&x + (&direction * 1e-2)?)?)? - loss(&(&x - (&direction * 1e-2)?)?)?) / 2e-2;
            assert!((slope - measured).abs() < 2e-2 * measured.abs().max(0.1), "{slope} {measured}");
        }
        Ok(())
    }
}
