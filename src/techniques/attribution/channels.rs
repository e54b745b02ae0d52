//! What the maps share that ask about a layer's channels one by one.

use crate::error::Result;
use candle_core::Tensor;

/// The channels of A `[1, C, H, W]`, the most active first, so that an estimate is useful early.
pub(super) fn by_activity(a: &Tensor) -> Result<Vec<usize>> {
    let activity = a.abs()?.sum((0, 2, 3))?.to_vec1::<f32>()?;
    let mut order: Vec<usize> = (0..activity.len()).collect();
    order.sort_by(|&i, &j| activity[j].total_cmp(&activity[i]));
    Ok(order)
}

/// relu(Σ_k w_k·A_k) `[H, W]` of A `[1, C, H, W]`.
pub(super) fn weighted(a: &Tensor, weights: Vec<f32>) -> Result<Tensor> {
    let weights = Tensor::from_vec(weights, (1, a.dim(1)?, 1, 1), a.device())?;
    Ok(a.broadcast_mul(&weights)?.sum((0, 1))?.relu()?)
}
