//! Whether a model's gradient is that of what it computes.

use super::{Model, formula};
use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::kernels::ReluRule;
use candle_core::Tensor;

/// How far it is to either side, as shares of the input's standard deviation. Short steps cross few kinks of rectifiers, long ones stand
/// out from float32's rounding; a gradient that is wrong is so at each of them.
const STEPS: [f64; 5] = [2e-2, 6e-3, 2e-3, 6e-4, 2e-4];

/// How far a gradient is from differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientGap {
    /// The root of the mean squared gap, as a share of that of the slopes, at the step where it is least.
    pub gap: f64,
    /// By how much differences at neighbouring steps differ among themselves at least, in the same unit: a gap that is not far
    /// above it shows nothing.
    pub unsure: f64,
}

/// The layer that a network ends in: its scores, if it has any.
///
/// # Errors
/// If no layer of it can be asked for, or the network does not take pictures of its size.
pub fn last_layer(model: &Model) -> Result<LayerName> {
    if model.info.output.is_some() {
        return Ok(LayerName::LOGITS.into());
    }
    let [height, width] = model.input().size;
    let last = model.graph.layers(height, width)?.pop();
    last.map(|layer| layer.name).ok_or_else(|| Error::bad_model(model.id(), "it has no layers"))
}

/// Central differences of the largest score along directions of a formula beside the gradient's own slope there; `None` if
/// the score does not change and so shows nothing.
/// `x` `[1, C, H, W]` is a network input.
///
/// # Errors
/// If the network has no layers, or the computation fails.
pub fn gradient_gap(model: &Model, x: &Tensor, directions: usize) -> Result<Option<GradientGap>> {
    let graph = &model.graph;
    let output = [last_layer(model)?];
    let activations = graph.forward(x, &output)?;
    let values = activations.get(&output[0])?;
    let scores = values.flatten_all()?.to_vec1::<f32>()?;
    let top = super::top_class(&scores);
    let seed: Vec<f32> = (0..scores.len()).map(|class| f32::from(u8::from(class == top))).collect();
    let seed = [(output[0].clone(), Tensor::from_vec(seed, values.shape(), x.device())?)];
    let gradients = graph.backward(&activations, &seed, &[LayerName::INPUT.into()], ReluRule::Standard)?;
    let gradient = gradients.input()?;
    let score = |x: &Tensor| -> Result<f64> {
        let values = graph.infer(x, &output)?.get(&output[0])?;
        Ok(f64::from(values.flatten_all()?.get(top)?.to_scalar::<f32>()?))
    };
    let centred = x.broadcast_sub(&x.mean_all()?)?;
    let size = f64::from(centred.sqr()?.mean_all()?.sqrt()?.to_scalar::<f32>()?).max(1e-3);
    let (mut gaps, mut apart) = ([0.0; STEPS.len()], [0.0; STEPS.len() - 1]);
    let (mut slopes, mut moved) = (0.0, 0.0);
    for k in 1..=directions {
        let direction = (formula::picture(k, x.dims(), x.device())? * size)?;
        let slope = f64::from((gradient * &direction)?.sum_all()?.to_scalar::<f32>()?);
        let mut differences = [0.0; STEPS.len()];
        for (difference, length) in differences.iter_mut().zip(STEPS) {
            let step = (&direction * length)?;
            *difference = (score(&(x + &step)?)? - score(&(x - &step)?)?) / (2.0 * length);
            moved += difference.powi(2);
        }
        gaps.iter_mut().zip(differences).for_each(|(gap, found)| *gap += (found - slope).powi(2));
        apart.iter_mut().zip(differences.windows(2)).for_each(|(apart, two)| *apart += (two[0] - two[1]).powi(2));
        slopes += slope.powi(2);
    }
    if slopes == 0.0 && moved == 0.0 {
        return Ok(None);
    }
    let share = |squares: &[f64]| {
        let least = squares.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::NAN);
        (least / slopes.max(f64::MIN_POSITIVE)).sqrt()
    };
    Ok(Some(GradientGap { gap: share(&gaps), unsure: share(&apart) }))
}
