//! Weights from a formula, to time and to check architectures without their weight files.

use candle_core::{Device, Tensor};

/// Element `i` of tensor `k`: frac(sin(12.9898·i + 78.233·k) · 43758.5453) in `[0, 1)`.
#[must_use]
pub fn uniform(i: usize, k: usize) -> f64 {
    let x = (i as f64 * 12.9898 + k as f64 * 78.233).sin() * 43_758.545_3;
    x - x.floor()
}

/// Numbers of mean square 1 that repeat only after very many.
///
/// # Errors
/// If candle cannot allocate them.
pub fn picture(k: usize, shape: &[usize], device: &Device) -> candle_core::Result<Tensor> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((2.0 * uniform(i, k) - 1.0) * 3_f64.sqrt()) as f32).collect();
    Tensor::from_vec(values, shape, device)
}

/// Numbers after which the formula of [`of_checkpoint`] begins anew: a prime.
pub const PERIOD: usize = 8191;

/// Tensor `k` of a checkpoint, as `weights/architectures.py` has it: kernels by their fan-in, times `gain`, variances and
/// one-dimensional weights around 1, the rest small.
#[must_use]
pub fn of_checkpoint(name: &str, k: usize, shape: &[usize], gain: f64) -> Vec<f32> {
    let fan_in = shape.iter().skip(1).product::<usize>().max(1) as f64;
    let value: Box<dyn Fn(f64) -> f64> = if shape.iter().filter(|extent| **extent > 1).count() > 1 {
        Box::new(move |u| (2.0 * u - 1.0) * (gain * (6.0 / fan_in).sqrt()))
    } else if name.ends_with("running_var") || name.ends_with(".weight") {
        Box::new(|u| 0.5 + u)
    } else {
        Box::new(|u| 0.2 * (2.0 * u - 1.0))
    };
    let count: usize = shape.iter().product();
    let period: Vec<f32> = (0..count.min(PERIOD)).map(|i| value(uniform(i, k)) as f32).collect();
    period.iter().copied().cycle().take(count).collect()
}

/// Tensor `k` of a network without batch norms, in the order in which it is built: (2u − 1)·√(6 / fan-in) for kernels,
/// 0.2·(2u − 1) for biases.
#[must_use]
pub(super) fn tensor(k: usize, shape: &[usize]) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let fan_in = shape.iter().skip(1).product::<usize>() as f64;
    let scale = if shape.len() > 1 { (6.0 / fan_in).sqrt() } else { 0.2 };
    (0..count).map(|i| ((2.0 * uniform(i, k) - 1.0) * scale) as f32).collect()
}
