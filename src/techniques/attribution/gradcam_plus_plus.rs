//! Grad-CAM++: Grad-CAM that finds several things of a class.

use super::cam::{Planes, sum};
use super::method::{Explain, Method};

/// α = G²/(2G² + ΣA·G³ + 1e-6), 0 where G = 0; weights Σ relu(G)·α; relu(Σ_k w_k·A_k), as pytorch-grad-cam computes it.
pub(super) static METHOD: Method = Method {
    id: "gradcam++",
    about: "Grad-CAM for several things of one class: pixels weighted by second and third powers of the gradient",
    definition: "relu(Σ_k w_k·A_k), w_k = Σ relu(G_k)·α_k, α = G²/(2G² + ΣA·G³ + 1e-6), 0 where G = 0",
    reference: "Chattopadhay et al. 2018, arXiv:1710.11063",
    layer: true,
    params: &[],
    explain: Explain::Cam(|planes| Ok(formula(planes))),
};

fn formula(planes: &Planes) -> Vec<f32> {
    planes.weighted(|a, g| {
        let held = sum(a.iter().copied());
        let alpha = |g: f32| if g == 0.0 { 0.0 } else { g * g / (2.0 * (g * g) + held * (g * g * g) + 1e-6) };
        sum(g.iter().map(|&g| g.max(0.0) * alpha(g)))
    })
}
