//! Normalised gradient ascent.

use crate::error::Result;
use candle_core::Tensor;

/// `gradient / ‖gradient‖₂`, or zeros where there is no gradient at all.
///
/// # Errors
/// If candle cannot compute the norm.
pub fn unit(gradient: &Tensor) -> Result<Tensor> {
    let norm = f64::from(gradient.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?);
    Ok(if norm == 0.0 { gradient.clone() } else { (gradient / norm)? })
}
