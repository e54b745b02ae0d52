//! One score as two classes.

use crate::error::Result;
use crate::graph::ops::{Concat, Elementwise};
use crate::graph::{GraphBuilder, LayerName, NodeId};
use crate::kernels::Function;

/// Ends a network whose only score is the logit `z`, in whatever shape, with the logits z and −z, under the name of logits:
/// what [`Scores::Binary`](super::Scores::Binary) presents.
///
/// # Errors
/// If `z` has no axis of channels, or the network has logits already.
pub fn two_logits(graph: &mut GraphBuilder, z: NodeId) -> Result<NodeId> {
    let negated = graph.add(Elementwise::new(Function::Neg), &[z])?;
    let logits = graph.add(Concat::CHANNELS, &[z, negated])?;
    graph.name(logits, LayerName::LOGITS)?;
    Ok(logits)
}
