//! Values of operators whose inputs are constants, so that what does not depend on the picture vanishes from the graph.
//!
//! Plain loops: what is folded are shapes, masks, tables of positions and weights in another form. Shapes and indices have
//! been checked by those who ask.

mod matrix;
mod movement;
mod pointwise;
mod reduce;
mod walk;

use super::Refusal;
use super::constant::{Constant, Element};
use super::op::Op;

/// What a folded result costs, in bytes that are kept or touched on the way.
pub fn cost(op: &Op, inputs: &[&Constant], len: usize, element: Element) -> u64 {
    let len = len as u64;
    let bytes = |element: Element| if element == Element::Float { 4 } else { 8 };
    let read: u64 = inputs.iter().map(|c| c.len() as u64).sum();
    // One number everywhere is in no memory until it is read.
    let filled: u64 =
        inputs.iter().filter(|c| c.filling().is_some()).map(|c| c.len() as u64 * bytes(c.element)).sum();
    match op {
        Op::Reshape => 0,
        _ if inputs.iter().all(|c| c.filling().is_some()) && moves_or_is_pointwise(op) => 0,
        Op::Linear { .. } | Op::MatMul => {
            let summed = inputs[1].shape.iter().copied().max().unwrap_or(1) as u64;
            len.saturating_mul(4 + summed / 4).saturating_add(filled)
        }
        Op::Reduce { .. } | Op::InstanceNorm { .. } => {
            len.saturating_mul(4).saturating_add(read).saturating_add(filled)
        }
        _ => len.saturating_mul(bytes(element)).saturating_add(filled),
    }
}

fn moves_or_is_pointwise(op: &Op) -> bool {
    op.is_pointwise()
        || matches!(op, Op::Transpose { .. } | Op::Slice { .. } | Op::Gather { .. } | Op::Expand | Op::Tile)
}

/// The result of an operator with the shape and type that it is known to have; `None` for an operator that is not folded.
///
/// # Errors
/// A [`Refusal`] if a weight cannot be read from its file.
pub fn evaluate(
    op: &Op,
    inputs: &[&Constant],
    shape: &[usize],
    element: Element,
) -> Result<Option<Constant>, Refusal> {
    let x = inputs[0];
    if matches!(op, Op::Reshape) {
        return x.reshaped(shape.to_vec()).map(Some);
    }
    if let Some(filling) = x.filling()
        && matches!(op, Op::Transpose { .. } | Op::Slice { .. } | Op::Gather { .. } | Op::Expand | Op::Tile)
    {
        return Ok(Some(match element {
            Element::Float => Constant::filled(shape.to_vec(), filling),
            _ => Constant::filled_int(shape.to_vec(), element, filling as i64),
        }));
    }
    let out = match op {
        Op::Unary(function) => pointwise::unary(*function, x, element)?,
        Op::Binary(function) => pointwise::binary(*function, x, inputs[1], shape, element)?,
        Op::Where => pointwise::choose(x, inputs[1], inputs[2], shape)?,
        Op::Transpose { .. } | Op::Slice { .. } | Op::Expand | Op::Tile | Op::Gather { .. } => {
            movement::moved(op, x, shape)?
        }
        Op::Concat { axis } => movement::concat(*axis, inputs, shape)?,
        Op::Pad { before, mode, .. } => movement::pad(before, *mode, x, shape)?,
        Op::ScatterNd => movement::scatter(x, inputs[1], inputs[2])?,
        Op::CumSum { axis } => reduce::cumulative(*axis, x)?,
        Op::Reduce { kind, axes, .. } => reduce::reduce(*kind, axes, x, shape)?,
        Op::Softmax { axis, log: false } => reduce::softmax(*axis, x)?,
        Op::InstanceNorm { epsilon } => reduce::instance_norm(*epsilon, x, inputs[1], inputs[2])?,
        Op::BatchNorm { epsilon } => reduce::batch_norm(*epsilon, inputs)?,
        Op::LayerNorm { axes, epsilon } => reduce::layer_norm(axes, *epsilon, inputs)?,
        Op::MatMul => matrix::matmul(x, inputs[1], shape)?,
        Op::Linear { axis, transposed } => matrix::linear(*axis, *transposed, inputs, shape)?,
        _ => return Ok(None),
    };
    Ok(Some(out))
}
