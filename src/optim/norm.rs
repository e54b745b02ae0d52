//! Euclidean norms.

use crate::error::Result;
use candle_core::Tensor;

/// ‖x‖₂.
///
/// # Errors
/// If candle cannot compute it.
pub fn length(x: &Tensor) -> Result<f64> {
    Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt())
}

/// `x / ‖x‖₂`, or zeros where it is nothing but them.
///
/// # Errors
/// If candle cannot compute the norm.
pub fn unit(x: &Tensor) -> Result<Tensor> {
    // Rooted in single precision, unlike a length: chaotic ascents follow this to the last bit.
    let norm = f64::from(x.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?);
    Ok(if norm == 0.0 { x.clone() } else { (x / norm)? })
}
