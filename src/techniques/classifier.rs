//! What techniques and the engine ask of a model.

use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::imaging::Picture;
use crate::kernels::ReluRule;
use crate::model::Model;
use candle_core::Tensor;

/// The photo as a model sees it, and as its input `[1, C, H, W]`.
pub(super) fn seen_by(model: &Model, photo: &Picture) -> Result<(Picture, Tensor)> {
    let seen = model.input().seen(photo);
    let pixels = model.input().pixels_from_picture(&seen, model.device())?;
    let input = model.input().input_from_pixels(&pixels)?;
    Ok((seen, input))
}

/// The logits a classifier gives a picture of any size.
///
/// # Errors
/// If the model is no classifier, its scores are no finite numbers, or the computation fails.
pub fn classify(model: &Model, picture: &Picture) -> Result<Vec<f32>> {
    let (_, input) = seen_by(model, picture)?;
    finite(model, logits_of(model, &input)?)
}

/// Logits of a photo as they are: those that are no numbers speak against the model, since all pixels are finite.
///
/// # Errors
/// [`Error::BadModel`].
pub(super) fn finite(model: &Model, logits: Vec<f32>) -> Result<Vec<f32>> {
    if logits.iter().all(|z| z.is_finite()) {
        return Ok(logits);
    }
    let reason = "its scores of the photo are no finite numbers; check its weights, and --mean and --std";
    Err(Error::bad_model(model.id(), reason))
}

/// The logits of one input `[1, C, H, W]`.
pub(super) fn logits_of(model: &Model, input: &Tensor) -> Result<Vec<f32>> {
    Ok(model.graph.logits(input)?.flatten_all()?.to_vec1::<f32>()?)
}

/// The logits of inputs `[N, C, H, W]`, and the gradient in their shape of a function of all the logits, whose own
/// gradient at them `seed` tells: picture after picture, class after class.
pub(super) fn logits_and_gradient(
    model: &Model,
    inputs: &Tensor,
    seed: impl FnOnce(&[Vec<f32>]) -> Vec<f32>,
) -> Result<(Vec<Vec<f32>>, Tensor)> {
    let output: LayerName = LayerName::LOGITS.into();
    let activations = model.graph.forward(inputs, std::slice::from_ref(&output))?;
    let logits = activations.logits()?.to_vec2::<f32>()?;
    let shape = (logits.len(), logits.first().map_or(0, Vec::len), 1, 1);
    let seed = Tensor::from_vec(seed(&logits), shape, inputs.device())?;
    let input = [LayerName::INPUT.into()];
    let gradients = model.graph.backward(&activations, &[(output, seed)], &input, ReluRule::Standard)?;
    Ok((logits, gradients.input()?.clone()))
}
