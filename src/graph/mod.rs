//! A frozen network as a graph of named layers: forward and backward passes, relevance, timing.

mod backward;
mod builder;
mod forward;
mod fuse;
mod kind;
mod layer;
mod network;
mod once;
mod operator;
pub mod ops;
mod point;
mod profile;
mod relevance;
mod rules;
mod value;

pub use backward::{Gradients, Seed};
pub use builder::{GraphBuilder, NodeId};
pub use forward::{Activations, refuse_beyond_memory};
pub use kind::{Family, Kind};
pub use layer::{LayerInfo, LayerName};
pub use network::Graph;
pub use operator::{Operator, Saves, Weighted};
pub use point::Point;
pub use profile::{LayerTiming, LayerTotals};
pub use rules::{Biases, DeepLift, Lrp, LrpRule, OwnBiases, OwnDeepLift, OwnLrp, Rules, Shared};
pub use value::{Layout, Shape, Value};

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
