//! Deconvolutional model: the class projected back through rectified gradients.

use super::method::{Attribution, Explain, Method};
use crate::kernels::ReluRule;

/// ∂z_c/∂x `[C, H, W]` with rectifiers that pass only positive gradients, whatever the unit did; summed over the
/// channels for the map.
pub(super) static METHOD: Method = Method {
    id: "deconvnet",
    about: "the class projected back to the pixels: rectifiers pass only positive gradients",
    definition: "∂z_c/∂x, ReLU passes ∂ where ∂ > 0; summed over channels",
    reference: "Zeiler & Fergus 2014, arXiv:1311.2901",
    layer: false,
    params: &[],
    explain: Explain::Once(|subject, _| Attribution::summed(&subject.input_gradient_by(ReluRule::Deconvnet)?)),
};
