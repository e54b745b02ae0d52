//! Randomness that follows from a seed and a step.

use crate::error::Result;
use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The generator of step `step` in a run with this seed.
#[must_use]
pub fn step_rng(seed: u64, step: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step as u64);
    rng
}

/// Standard normal noise of the given shape.
///
/// # Errors
/// If candle cannot allocate the tensor.
pub fn noise(rng: &mut ChaCha8Rng, shape: &[usize], device: &Device) -> Result<Tensor> {
    let count = shape.iter().product();
    let values: Vec<f32> = StandardNormal.sample_iter(rng).take(count).collect();
    Ok(Tensor::from_vec(values, shape, device)?)
}
