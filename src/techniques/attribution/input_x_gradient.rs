//! Input times gradient: a first-order guess of what each pixel adds to the score.

use super::method::{Attribution, Explain, Method};

/// x ⊙ ∂z_c/∂x `[C, H, W]`, summed over the channels for the map.
pub(super) static METHOD: Method = Method {
    id: "input-x-gradient",
    about: "a first-order guess of what each pixel adds to the class score: value times gradient",
    definition: "x ⊙ ∂z_c/∂x, summed over channels",
    reference: "Shrikumar et al. 2016, arXiv:1605.01713",
    layer: false,
    params: &[],
    explain: Explain::FromGradient(|subject, _| Attribution::summed(&(subject.input() * subject.input_gradient()?)?)),
};
