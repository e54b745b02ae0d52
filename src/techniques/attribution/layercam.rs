//! LayerCAM: sharp maps from early layers too.

use super::cam::Planes;
use super::method::{Explain, Method};

/// relu(Σ_k relu(G_k)⊙A_k).
pub(super) static METHOD: Method = Method {
    id: "layercam",
    about: "sharp maps from early layers too: activations weighted by the positive gradient of their own place",
    definition: "relu(Σ_k relu(G_k)⊙A_k)",
    reference: "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943",
    layer: true,
    params: &[],
    explain: Explain::Cam(|planes| Ok(formula(planes))),
};

fn formula(planes: &Planes) -> Vec<f32> {
    planes.placed(|a, g| g.max(0.0) * a)
}
