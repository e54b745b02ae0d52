//! Layer activation: where a layer responds at all.

use super::method::{Attribution, Explain, Method};

/// The mean over channels of A.
pub(super) static METHOD: Method = Method {
    id: "layer-activation",
    about: "where a layer responds at all, whatever the class: the mean of its channels",
    definition: "mean over channels of A",
    reference: "Captum's LayerActivation",
    layer: true,
    params: &[],
    explain: Explain::Once(|subject, _| Attribution::map(&subject.activations()?.squeeze(0)?.mean(0)?)),
};
