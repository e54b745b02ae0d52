//! Frames that belong to the window that follows.

use super::arithmetic::moved_from;
use super::rewriting::Rewriting;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Op, PadMode, Unary};

/// A frame of zeros before a convolution is its padding.
pub fn convolution(graph: &mut Rewriting, i: usize) -> bool {
    let Op::Conv(conv) = graph.op(i) else { return false };
    let mut conv = conv.clone();
    let Some((x, pads)) = framed(graph, graph.input(i, 0), 0.0) else { return false };
    conv.pads = [0, 1, 2, 3].map(|side| conv.pads[side] + pads[side]);
    let mut inputs = graph.inputs(i);
    inputs[0] = x;
    graph.replace(i, Op::Conv(conv), inputs)
}

/// A frame before pooling is its padding: zeros where padding counts in the mean, −∞ for the maximum.
pub fn pooling(graph: &mut Rewriting, i: usize) -> bool {
    let x = graph.input(i, 0);
    match graph.op(i).clone() {
        Op::AveragePool { mut window, count_padding } => {
            let Some((x, pads)) = framed(graph, x, 0.0) else { return false };
            // Padding of the window's own that does not count cannot be told from the frame.
            if window.pads != [0; 4] && !count_padding {
                return false;
            }
            window.pads = [0, 1, 2, 3].map(|side| window.pads[side] + pads[side]);
            fits(window.kernel, window.dilations, window.pads)
                && graph.replace(i, Op::AveragePool { window, count_padding: true }, vec![x])
        }
        Op::MaxPool(mut window) => {
            let least = framed(graph, x, f32::NEG_INFINITY).or_else(|| framed(graph, x, f32::MIN));
            // Zeros are never the largest of what is not negative, unless all are zero.
            let least = least.or_else(|| framed(graph, x, 0.0).filter(|(x, _)| is_never_negative(graph, *x)));
            let Some((x, pads)) = least else { return false };
            window.pads = [0, 1, 2, 3].map(|side| window.pads[side] + pads[side]);
            fits(window.kernel, window.dilations, window.pads) && graph.replace(i, Op::MaxPool(window), vec![x])
        }
        _ => false,
    }
}

fn is_never_negative(graph: &Rewriting, id: ValueId) -> bool {
    let is = |op: &Op| match op {
        Op::Unary(Unary::Clip { min, .. }) => *min >= 0.0,
        Op::Unary(function) => matches!(function, Unary::Relu | Unary::Sigmoid | Unary::HardSigmoid { .. }),
        _ => false,
    };
    moved_from(graph, id, is).is_some()
}

/// Whether every window has something of the map in it.
fn fits(kernel: [usize; 2], dilations: [usize; 2], pads: [usize; 4]) -> bool {
    (0..4).all(|side| pads[side] <= dilations[side % 2] * (kernel[side % 2] - 1))
}

/// The map within a frame of this number, and the frame's width above, left, below, right.
fn framed(graph: &Rewriting, id: ValueId, filling: f32) -> Option<(ValueId, [usize; 4])> {
    let i = graph.made_by(id, |op| matches!(op, Op::Pad { .. }))?;
    let Op::Pad { before, after, mode: PadMode::Constant(value) } = graph.op(i) else { return None };
    let plain = value.to_bits() == filling.to_bits() && before.len() == 4;
    let places = plain && before[..2] == [0, 0] && after[..2] == [0, 0];
    let sides = [*before.get(2)?, *before.get(3)?, *after.get(2)?, *after.get(3)?];
    let inside = places && sides.iter().all(|n| *n >= 0);
    inside.then(|| (graph.input(i, 0), sides.map(|n| n as usize)))
}
