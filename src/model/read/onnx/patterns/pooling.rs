//! Pooling of whole maps, however it is written.

use super::rewriting::Rewriting;
use crate::model::read::onnx::op::{Op, Reduction};

/// A mean or maximum over height and width, or a window of the map's size, as global pooling.
pub fn global(graph: &mut Rewriting, i: usize) -> bool {
    let x = graph.input(i, 0);
    let shape = graph.shape(x).to_vec();
    if shape.len() != 4 || shape[0] != 1 {
        return false;
    }
    let (op, keep) = match graph.op(i) {
        Op::Reduce { kind, axes, keep } if *axes == [2, 3] => match kind {
            Reduction::Mean => (Op::GlobalAveragePool, *keep),
            Reduction::Max => (Op::GlobalMaxPool, *keep),
            _ => return false,
        },
        Op::AveragePool { window, .. } if window.kernel == shape[2..] && window.pads == [0; 4] => {
            (Op::GlobalAveragePool, true)
        }
        Op::MaxPool(window) if window.kernel == shape[2..] && window.pads == [0; 4] => (Op::GlobalMaxPool, true),
        _ => return false,
    };
    if keep {
        return graph.replace(i, op, vec![x]);
    }
    let pooled = graph.insert(i, op, vec![x], vec![1, shape[1], 1, 1]);
    graph.replace(i, Op::Reshape, vec![pooled])
}
