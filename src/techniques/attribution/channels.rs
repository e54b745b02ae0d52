//! What the maps share that ask about a layer's channels one by one.

use super::cam;
use super::method::Attribution;
use crate::error::Result;
use candle_core::Tensor;

/// The channels of A `[1, C, H, W]`, the most active first, so that an estimate is useful early.
pub(super) fn by_activity(a: &Tensor) -> Result<Vec<usize>> {
    let activity = a.abs()?.sum((0, 2, 3))?.to_vec1::<f32>()?;
    let mut order: Vec<usize> = (0..activity.len()).collect();
    order.sort_by(|&i, &j| activity[j].total_cmp(&activity[i]));
    Ok(order)
}

/// relu(Σ_k w_k·A_k) of A `[1, C, H, W]`.
pub(super) fn weighted(a: &Tensor, weights: &[f32]) -> Result<Attribution> {
    let (_, _, h, w) = a.dims4()?;
    let values = a.flatten_all()?.to_vec1::<f32>()?;
    Ok(Attribution::cells(w, h, cam::weighted(&values, h * w, weights.iter().copied())))
}
