//! HiResCAM: what each place of a layer adds to the score.

use super::cam::Planes;
use super::method::{Explain, Method};

/// relu(Σ_k G_k⊙A_k).
pub(super) static METHOD: Method = Method {
    id: "hirescam",
    about: "what each place of a layer adds to the score: activation times gradient, place by place",
    definition: "relu(Σ_k G_k⊙A_k)",
    reference: "Draelos & Carin 2020, arXiv:2011.08891",
    layer: true,
    params: &[],
    explain: Explain::Cam(|planes| Ok(formula(planes))),
};

fn formula(planes: &Planes) -> Vec<f32> {
    planes.placed(|a, g| g * a)
}
