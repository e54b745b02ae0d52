//! What techniques and the engine ask of a classifier.

use super::pixels::pixels_from_picture;
use crate::error::{Error, Result};
use crate::graph::{LayerName, class_seed};
use crate::imaging::Picture;
use crate::kernels::ReluRule;
use crate::model::Model;
use candle_core::Tensor;

/// The side of the square picture a classifier looks at, in pixels.
pub(super) fn input_size(model: &Model) -> usize {
    model.input().size[0]
}

/// Refuses a model without classes.
pub(super) fn require_classes(model: &Model) -> Result<()> {
    if model.info.output.is_some() {
        return Ok(());
    }
    Err(Error::bad_value("model", model.id(), "this technique needs classes; use a classifier"))
}

/// The picture as a classifier sees it (evaluation crop), and as its input `[1, 3, H, W]`.
pub(super) fn seen_by(model: &Model, picture: &Picture) -> Result<(Picture, Tensor)> {
    let crop = model.input().seen(picture);
    let pixels = pixels_from_picture(&crop, model.device())?;
    let input = model.input().input_from_pixels(&pixels)?;
    Ok((crop, input))
}

/// The logits a classifier gives a picture of any size.
///
/// # Errors
/// If the model is no classifier, or the computation fails.
pub fn classify(model: &Model, picture: &Picture) -> Result<Vec<f32>> {
    let (_, input) = seen_by(model, picture)?;
    Ok(model.graph.logits(&input)?.flatten_all()?.to_vec1::<f32>()?)
}

/// The logits of one input `[1, 3, H, W]` and the gradient ∂z_class/∂x in its shape.
pub(super) fn logits_and_gradient(model: &Model, x: &Tensor, class: usize) -> Result<(Vec<f32>, Tensor)> {
    let output: LayerName = LayerName::LOGITS.into();
    let activations = model.graph.forward(x, std::slice::from_ref(&output))?;
    let logits = activations.logits()?.flatten_all()?.to_vec1::<f32>()?;
    let seed = class_seed(1, logits.len(), class, model.device())?;
    let input = [LayerName::INPUT.into()];
    let gradients = model.graph.backward(&activations, &[(output, seed)], &input, ReluRule::Standard)?;
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
