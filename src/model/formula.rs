//! Weights from a formula, to time and to check architectures without their weight files.

/// Element `i` of tensor `k`: frac(sin(12.9898·i + 78.233·k) · 43758.5453) in `[0, 1)`.
#[must_use]
pub fn uniform(i: usize, k: usize) -> f64 {
    let x = (i as f64 * 12.9898 + k as f64 * 78.233).sin() * 43_758.545_3;
    x - x.floor()
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
