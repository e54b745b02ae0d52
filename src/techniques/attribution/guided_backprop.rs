//! Guided backpropagation: edges of what excites the class.

use super::method::{Attribution, Explain, Method};
use crate::kernels::ReluRule;

/// ∂z_c/∂x `[C, H, W]` with rectifiers that pass only positive gradients of active units (ReLU6: strictly between
/// 0 and 6), summed over the channels for the map.
pub(super) static METHOD: Method = Method {
    id: "guided-backprop",
    about: "edges of what excites the class: rectifiers pass only positive gradients of active units",
    definition: "∂z_c/∂x, ReLU passes ∂ where ∂ > 0 and the unit was active; summed over channels",
    reference: "Springenberg et al. 2015, arXiv:1412.6806",
    layer: false,
    params: &[],
    explain: Explain::Once(|subject, _| Attribution::summed(&subject.input_gradient_by(ReluRule::Guided)?)),
};
