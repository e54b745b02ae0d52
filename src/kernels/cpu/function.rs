//! Functions of one variable.

use super::elementary::{erf, exp, exp_m1, ln, normal_cdf, normal_density, sigmoid, sigmoid_slope, softplus, tanh};
use super::nhwc::{Elements, Nhwc};
use super::simd::vectorised;
use crate::kernels::Function;
use rayon::prelude::*;

/// Values a task takes at once.
const CHUNK: usize = 8 * 1024;

impl Elements<'_> {
    /// f of every value.
    pub fn apply(self, function: Function) {
        self.0.par_chunks_mut(CHUNK).for_each(|values| values_of(function, values));
    }

    /// Multiplies every value by f′ of the map's value in its place.
    pub fn apply_slope(self, function: Function, x: &Nhwc) {
        debug_assert_eq!(self.0.len(), x.data().len());
        let chunks = self.0.par_chunks_mut(CHUNK).zip(x.data().par_chunks(CHUNK));
        chunks.for_each(|(values, x)| times_slope(function, values, x));
    }
}

/// min(max(v, low), high); NaN stays NaN.
#[inline(always)]
fn clamp(v: f32, low: f32, high: f32) -> f32 {
    let v = if v < low { low } else { v };
    if v > high { high } else { v }
}

/// α (e^(x/τ) − 1) below 0, x from there on.
#[inline(always)]
fn elu(x: f32, alpha: f32, tau: f32) -> f32 {
    if x > 0.0 { x } else { alpha * exp_m1(f64::from(x) / f64::from(tau)) as f32 }
}

#[inline(always)]
fn elu_slope(x: f32, alpha: f32, tau: f32) -> f32 {
    if x > 0.0 { 1.0 } else { alpha / tau * exp(f64::from(x) / f64::from(tau)) as f32 }
}

/// Twice the argument of the approximated GELU's tangent, and its derivative: x/2 (1 + tanh(u/2)) = x σ(u).
#[inline(always)]
fn gelu_argument(x: f64) -> (f64, f64) {
    let factor = 2.0 * (2.0 * std::f64::consts::FRAC_1_PI).sqrt();
    (factor * x * (1.0 + 0.044_715 * x * x), factor * (1.0 + 3.0 * 0.044_715 * x * x))
}

#[inline(always)]
fn gelu_tanh_slope(x: f64) -> f64 {
    let (u, slope) = gelu_argument(x);
    sigmoid(u) + x * sigmoid_slope(u) * slope
}

/// e²ˣ + 2eˣ: tanh(ln(1 + eˣ)) is this over this plus 2. From 40 on that is 1.
#[inline(always)]
fn mish_ratio(x: f64) -> f64 {
    let e = exp(if x > 40.0 { 40.0 } else { x });
    e * (e + 2.0)
}

#[inline(always)]
fn mish_slope(x: f64) -> f64 {
    let ratio = mish_ratio(x);
    let over = ratio + 2.0;
    ratio / over + x * 4.0 * (ratio + 1.0) / (over * over) * sigmoid(x)
}

#[inline(always)]
fn silu_slope(x: f64, beta: f64) -> f64 {
    sigmoid(beta * x) + beta * x * sigmoid_slope(beta * x)
}

#[inline(always)]
fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// p x^(p−1), 0 for p = 0 wherever x is.
#[inline(always)]
fn power_slope(x: f32, exponent: f32) -> f32 {
    if exponent == 0.0 { 0.0 } else { exponent * x.powf(exponent - 1.0) }
}

/// The table of functions: which, f(x) and f′(x) of a float32 `x`, which is `wide` as a float64.
macro_rules! table {
    ($($function:pat, |$x:ident, $wide:ident| $value:expr, $slope:expr;)*) => {
        vectorised! {
            fn values_of<S>(_s: S, function: Function, values: &mut [f32]) {
                match function {
                    $($function => {
                        for v in values.iter_mut() {
                            let ($x, $wide) = (*v, f64::from(*v));
                            let _ = ($x, $wide);
                            *v = $value;
                        }
                    })*
                }
            }
        }
        vectorised! {
            fn times_slope<S>(_s: S, function: Function, values: &mut [f32], x: &[f32]) {
                match function {
                    $($function => {
                        for (v, x) in values.iter_mut().zip(x) {
                            let ($x, $wide) = (*x, f64::from(*x));
                            let _ = ($x, $wide);
                            *v *= $slope;
                        }
                    })*
                }
            }
        }
    };
}

table! {
    Function::Sigmoid, |x, d| sigmoid(d) as f32, sigmoid_slope(d) as f32;
    Function::HardSigmoid { alpha, beta }, |x, d|
        clamp(alpha * x + beta, 0.0, 1.0),
        { let y = alpha * x + beta; if y > 0.0 && y < 1.0 { alpha } else { 0.0 } };
    Function::HardSwish, |x, d|
        x * clamp(x + 3.0, 0.0, 6.0) / 6.0,
        if x <= -3.0 { 0.0 } else if x < 3.0 { x / 3.0 + 0.5 } else { 1.0 };
    Function::Silu { beta }, |x, d|
        (d * sigmoid(f64::from(beta) * d)) as f32,
        silu_slope(d, f64::from(beta)) as f32;
    Function::Gelu, |x, d| (d * normal_cdf(d)) as f32, (normal_cdf(d) + d * normal_density(d)) as f32;
    Function::GeluTanh, |x, d| (d * sigmoid(gelu_argument(d).0)) as f32, gelu_tanh_slope(d) as f32;
    Function::LeakyRelu { alpha }, |x, d| if x > 0.0 { x } else { alpha * x }, if x > 0.0 { 1.0 } else { alpha };
    Function::Elu { alpha }, |x, d| elu(x, alpha, 1.0), elu_slope(x, alpha, 1.0);
    Function::Selu { alpha, gamma }, |x, d| gamma * elu(x, alpha, 1.0), gamma * elu_slope(x, alpha, 1.0);
    Function::Celu { alpha }, |x, d| elu(x, alpha, alpha), elu_slope(x, alpha, alpha);
    Function::Tanh, |x, d| tanh(d) as f32, (4.0 * sigmoid_slope(2.0 * d)) as f32;
    Function::Softplus, |x, d| softplus(d) as f32, sigmoid(d) as f32;
    Function::Softsign, |x, d| x / (1.0 + x.abs()), { let over = 1.0 + x.abs(); 1.0 / (over * over) };
    Function::Mish, |x, d| { let ratio = mish_ratio(d); (d * (ratio / (ratio + 2.0))) as f32 }, mish_slope(d) as f32;
    Function::Clip { low, high }, |x, d| clamp(x, low, high), if x > low && x < high { 1.0 } else { 0.0 };
    Function::Exp, |x, d| exp(d) as f32, exp(d) as f32;
    Function::Log, |x, d| ln(d) as f32, 1.0 / x;
    Function::Sqrt, |x, d| x.sqrt(), 0.5 / x.sqrt();
    Function::Reciprocal, |x, d| 1.0 / x, -1.0 / (x * x);
    Function::Abs, |x, d| x.abs(), sign(x);
    Function::Neg, |x, d| -x, -1.0;
    Function::Erf, |x, d| erf(d) as f32, (std::f64::consts::FRAC_2_SQRT_PI * exp(-d * d)) as f32;
    Function::Power { exponent }, |x, d| x.powf(exponent), power_slope(x, exponent);
    Function::Square, |x, d| x * x, 2.0 * x;
    Function::Sin, |x, d| x.sin(), x.cos();
    Function::Cos, |x, d| x.cos(), -x.sin();
    Function::Floor, |x, d| x.floor(), 0.0;
    Function::Ceil, |x, d| x.ceil(), 0.0;
    Function::Round, |x, d| x.round_ties_even(), 0.0;
    Function::Sign, |x, d| sign(x), 0.0;
}
