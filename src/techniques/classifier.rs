//! What techniques and the engine ask of a classifier.

use super::pixels::pixels_from_picture;
use crate::error::{Error, Result};
use crate::imaging::{Picture, centre_crop};
use crate::kernels::ReluRule;
use crate::nets::{LayerName, Network, class_seed};
use candle_core::Tensor;

/// The side of the square a classifier without a size of its own is shown, in pixels.
const USUAL_SIZE: usize = 224;

/// The side of the square picture a classifier looks at, in pixels.
pub(super) fn input_size(network: &Network) -> usize {
    network.preprocess().size.unwrap_or(USUAL_SIZE)
}

/// Refuses a network without classes.
pub(super) fn require_classes(network: &Network) -> Result<()> {
    if network.is_classifier() {
        return Ok(());
    }
    Err(Error::bad_value("model", network.id(), "this technique needs classes; use a classifier"))
}

/// The picture as a classifier sees it (evaluation crop), and as its input `[1, 3, H, W]`.
pub(super) fn seen_by(network: &Network, picture: &Picture) -> Result<(Picture, Tensor)> {
    let crop = centre_crop(picture, input_size(network) as u32);
    let pixels = pixels_from_picture(&crop, network.device())?;
    let input = network.preprocess().input_from_pixels(&pixels)?;
    Ok((crop, input))
}

/// The logits a classifier gives a picture of any size.
///
/// # Errors
/// If the network is no classifier, or the computation fails.
pub fn classify(network: &Network, picture: &Picture) -> Result<Vec<f32>> {
    let (_, input) = seen_by(network, picture)?;
    Ok(network.logits(&input)?.flatten_all()?.to_vec1::<f32>()?)
}

/// The logits of one input `[1, 3, H, W]` and the gradient ∂z_class/∂x in its shape.
pub(super) fn logits_and_gradient(network: &Network, x: &Tensor, class: usize) -> Result<(Vec<f32>, Tensor)> {
    let output: LayerName = LayerName::LOGITS.into();
    let activations = network.forward(x, std::slice::from_ref(&output))?;
    let logits = activations.logits()?.flatten_all()?.to_vec1::<f32>()?;
    let seed = class_seed(1, logits.len(), class, network.device())?;
    let input = [LayerName::INPUT.into()];
    let gradients = network.backward(&activations, &[(output, seed)], &input, ReluRule::Standard)?;
    Ok((logits, gradients.input()?.clone()))
}

/// The index of the largest logit.
pub(super) fn top_class(logits: &[f32]) -> usize {
    logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
}

/// The probability of a class under a softmax of `logits`.
pub(super) fn probability(logits: &[f32], class: usize) -> f32 {
    let highest = logits[top_class(logits)];
    let total: f32 = logits.iter().map(|z| (z - highest).exp()).sum();
    (logits[class] - highest).exp() / total
}
