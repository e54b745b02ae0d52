//! Whether a model's gradient is that of what it computes.

use super::{Model, formula};
use crate::error::Result;
use crate::graph::LayerName;
use crate::kernels::ReluRule;
use candle_core::Tensor;

/// How far it is to either side, as a share of the input's own size: far enough for float32, near enough for a slope.
const STEP: f64 = 2e-3;

/// Central differences of the largest score along directions of a formula beside the gradient's own slope there: the root of the
/// mean squared gap, as a share of that of the slopes; `None` if the score does not change and so shows nothing.
/// `x` `[1, C, H, W]` is a network input.
///
/// # Errors
/// If the network has no output, or the computation fails.
pub fn gradient_gap(model: &Model, x: &Tensor, directions: usize) -> Result<Option<f64>> {
    let graph = &model.graph;
    let output: LayerName = LayerName::LOGITS.into();
    let activations = graph.forward(x, std::slice::from_ref(&output))?;
    let logits = activations.logits()?.flatten_all()?.to_vec1::<f32>()?;
    let top = super::top_class(&logits);
    let seed: Vec<f32> = (0..logits.len()).map(|class| f32::from(u8::from(class == top))).collect();
    let seed = Tensor::from_vec(seed, (1, logits.len(), 1, 1), x.device())?;
    let gradients =
        graph.backward(&activations, &[(output, seed)], &[LayerName::INPUT.into()], ReluRule::Standard)?;
    let gradient = gradients.input()?;
    let score =
        |x: &Tensor| -> Result<f64> { Ok(f64::from(graph.logits(x)?.flatten_all()?.get(top)?.to_scalar::<f32>()?)) };
    let size = f64::from(x.sqr()?.mean_all()?.sqrt()?.to_scalar::<f32>()?).max(1e-3);
    let (mut gaps, mut slopes, mut differences) = (0.0, 0.0, 0.0);
    for k in 1..=directions {
        let direction = (formula::picture(k, x.dims(), x.device())? * size)?;
        let slope = f64::from((gradient * &direction)?.sum_all()?.to_scalar::<f32>()?);
        let step = (&direction * STEP)?;
        let difference = (score(&(x + &step)?)? - score(&(x - &step)?)?) / (2.0 * STEP);
        gaps += (difference - slope).powi(2);
        slopes += slope.powi(2);
        differences += difference.powi(2);
    }
    if slopes == 0.0 && differences == 0.0 {
        return Ok(None);
    }
    Ok(Some((gaps / slopes.max(f64::MIN_POSITIVE)).sqrt()))
}
