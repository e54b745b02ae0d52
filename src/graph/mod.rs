//! A frozen network as a graph of named layers: forward and backward passes, relevance, timing.

mod backward;
mod forward;
mod graph;
mod profile;
mod relevance;

pub use backward::{Gradients, Seed};
pub use forward::Activations;
pub use graph::{Graph, GraphBuilder, LayerInfo, LayerName, NodeId, Op};
pub use profile::LayerTiming;
pub use relevance::LrpRule;

use crate::error::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// The gradient of logit `class` at the logits of `n` pictures: ones in that class, shape `[n, classes, 1, 1]`.
///
/// # Errors
/// If there is no such class, or candle cannot allocate the tensor.
pub fn class_seed(n: usize, classes: usize, class: usize, device: &Device) -> Result<Tensor> {
    if class >= classes {
        let last = classes.saturating_sub(1);
        return Err(Error::unknown("class", class.to_string(), format!("indices go from 0 to {last}")));
    }
    let mut row = vec![0f32; classes];
    row[class] = 1.0;
    let row = Tensor::from_vec(row, (1, classes, 1, 1), device)?.to_dtype(DType::F32)?;
    Ok(row.broadcast_as((n, classes, 1, 1))?.contiguous()?)
}
