//! XGrad-CAM: Grad-CAM whose weights respect what a channel holds.

use super::method::{Explain, Method};
use crate::error::Result;
use candle_core::Tensor;

/// Weights Σ(G⊙A)/(ΣA + 1e-7), as pytorch-grad-cam; relu(Σ_k w_k·A_k).
pub(super) static METHOD: Method = Method {
    id: "xgradcam",
    about: "Grad-CAM with gradients averaged where a channel is active, so that its parts add up to the score",
    definition: "relu(Σ_k w_k·A_k), w_k = Σ(G_k⊙A_k)/(ΣA_k + 1e-7)",
    reference: "Fu et al. 2020, arXiv:2008.02312",
    layer: true,
    params: &[],
    explain: Explain::Cam(formula),
};

fn formula(a: &Tensor, g: &Tensor) -> Result<Tensor> {
    let held = (a.sum_keepdim((2, 3))? + 1e-7)?;
    let weights = ((a * g)?.sum_keepdim((2, 3))? / held)?;
    Ok(a.broadcast_mul(&weights)?.sum((0, 1))?.relu()?)
}
