//! Grad-CAM: where the features stand that speak for the class.

use super::cam::{Planes, sum};
use super::method::{Explain, Method};

/// relu(Σ_k mean(G_k)·A_k), at the layer's own resolution.
pub(super) static METHOD: Method = Method {
    id: "gradcam",
    about: "where the features stand that speak for the class: a layer's channels weighted by their mean gradient",
    definition: "relu(Σ_k mean(G_k)·A_k)",
    reference: "Selvaraju et al. 2017, arXiv:1610.02391",
    layer: true,
    params: &[],
    explain: Explain::Cam(|planes| Ok(formula(planes))),
};

pub(super) fn formula(planes: &Planes) -> Vec<f32> {
    planes.weighted(|_, g| sum(g.iter().copied()) / g.len() as f32)
}
