//! Grad-CAM++: Grad-CAM that finds several things of a class.

use super::method::{Explain, Method};
use crate::error::Result;
use candle_core::Tensor;

/// α = G²/(2G² + ΣA·G³ + 1e-6), 0 where G = 0; weights Σ relu(G)·α; relu(Σ_k w_k·A_k), as pytorch-grad-cam computes it.
pub(super) static METHOD: Method = Method {
    id: "gradcam++",
    about: "Grad-CAM for several things of one class: pixels weighted by second and third powers of the gradient",
    definition: "relu(Σ_k w_k·A_k), w_k = Σ relu(G_k)·α_k, α = G²/(2G² + ΣA·G³ + 1e-6), 0 where G = 0",
    reference: "Chattopadhay et al. 2018, arXiv:1710.11063",
    layer: true,
    params: &[],
    explain: Explain::Cam(formula),
};

fn formula(a: &Tensor, g: &Tensor) -> Result<Tensor> {
    let squared = g.sqr()?;
    let cubed = (&squared * g)?.broadcast_mul(&a.sum_keepdim((2, 3))?)?;
    let alpha = (&squared / (((&squared * 2.0)? + cubed)? + 1e-6)?)?;
    let alpha = g.ne(0.0)?.where_cond(&alpha, &alpha.zeros_like()?)?;
    let weights = (g.relu()? * alpha)?.sum_keepdim((2, 3))?;
    Ok(a.broadcast_mul(&weights)?.sum((0, 1))?.relu()?)
}
