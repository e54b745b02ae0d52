//! Saliency: which pixels move the class score most.

use super::method::{Attribution, Explain, Method};

/// The maximum over channels of |∂z_c/∂x|; the attribution is |∂z_c/∂x| `[C, H, W]` in the model's input
/// space, as Captum's `Saliency` with `abs=True`.
pub(super) static METHOD: Method = Method {
    id: "saliency",
    about: "the pixels that move the class score most: the largest |gradient| over the channels",
    definition: "max over channels of |∂z_c/∂x|",
    reference: "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034",
    layer: false,
    params: &[],
    explain: Explain::FromGradient(|subject, _| {
        let magnitude = subject.input_gradient()?.abs()?;
        Attribution::with_channels(&magnitude, &magnitude.squeeze(0)?.max(0)?)
    }),
};
