//! Attention rollout: which patches reach what the classifier reads, whatever the class.

use super::attention::Attention;
use super::method::{Explain, Method};
use crate::error::Result;
use crate::techniques::api::{ParamKind, ParamSpec, Params};
use candle_core::Tensor;

/// Â_L·…·Â_1 with Â = (A + I)/2, A the mean over the heads, its rows summing to 1; the row of the class token, or the mean
/// of the rows where the patches' mean is classified, at the patches. pytorch-grad-cam has none; the implementation of
/// vit-explain, which also drops the least attention, is followed in the choice of heads only.
pub(super) static METHOD: Method = Method {
    id: "attention-rollout",
    about: "which patches reach what a transformer classifies, through all its layers of attention, whatever the class",
    definition: "Â_L·…·Â_1, Â = (A + I)/2, A the layer's attention over all heads, rows summing to 1; the class token's row",
    reference: "Abnar & Zuidema 2020, arXiv:2005.00928",
    layer: false,
    params: &[ParamSpec {
        name: "heads",
        kind: ParamKind::Choice { options: &["mean", "max", "min"], default: "mean" },
        unit: "",
        help: "what stands for the heads of a layer: their mean, the largest attention, or the least",
        live: false,
    }],
    explain: Explain::Attention(rollout),
};

fn rollout(attention: &Attention, params: &Params) -> Result<Tensor> {
    let one = attention.identity()?;
    let mut all = one.clone();
    for layer in &attention.layers {
        let heads = match params.choice("heads") {
            "max" => layer.weights.max(0)?,
            "min" => layer.weights.min(0)?,
            _ => layer.weights.mean(0)?,
        };
        let with_residual = (heads + &one)?;
        let step = with_residual.broadcast_div(&with_residual.sum_keepdim(1)?)?;
        all = step.matmul(&all)?;
    }
    attention.map(&all)
}
