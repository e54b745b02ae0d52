//! What techniques and the engine ask of a model.

use crate::error::Result;
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
/// If the model is no classifier, or the computation fails.
pub fn classify(model: &Model, picture: &Picture) -> Result<Vec<f32>> {
    let (_, input) = seen_by(model, picture)?;
    logits_of(model, &input)
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
