//! XGrad-CAM: Grad-CAM whose weights respect what a channel holds.

use super::cam::{Planes, sum};
use super::method::{Explain, Method};

/// Weights Σ(G⊙A)/(ΣA + 1e-7), as pytorch-grad-cam; relu(Σ_k w_k·A_k).
pub(super) static METHOD: Method = Method {
    id: "xgradcam",
    about: "Grad-CAM with gradients averaged where a channel is active, so that its parts add up to the score",
    definition: "relu(Σ_k w_k·A_k), w_k = Σ(G_k⊙A_k)/(ΣA_k + 1e-7)",
    reference: "Fu et al. 2020, arXiv:2008.02312",
    layer: true,
    params: &[],
    explain: Explain::Cam(|planes| Ok(formula(planes))),
};

fn formula(planes: &Planes) -> Vec<f32> {
    planes.weighted(|a, g| sum(a.iter().zip(g).map(|(a, g)| a * g)) / (sum(a.iter().copied()) + 1e-7))
}
