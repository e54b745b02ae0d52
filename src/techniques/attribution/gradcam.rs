//! Grad-CAM: where the features stand that speak for the class.

use super::method::{Explain, Method};
use crate::error::Result;
use candle_core::Tensor;

/// relu(Σ_k mean(G_k)·A_k), at the layer's own resolution.
pub(super) static METHOD: Method = Method {
    id: "gradcam",
    about: "where the features stand that speak for the class: a layer's channels weighted by their mean gradient",
    definition: "relu(Σ_k mean(G_k)·A_k)",
    reference: "Selvaraju et al. 2017, arXiv:1610.02391",
    layer: true,
    params: &[],
    explain: Explain::Cam(formula),
};

pub(super) fn formula(a: &Tensor, g: &Tensor) -> Result<Tensor> {
    let weights = g.mean_keepdim((2, 3))?;
    Ok(a.broadcast_mul(&weights)?.sum((0, 1))?.relu()?)
}
