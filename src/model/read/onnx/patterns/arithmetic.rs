//! Arithmetic that does nothing, or has a simpler name.

use super::rewriting::Rewriting;
use crate::model::read::onnx::constant::Constant;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op, Unary};

/// Adding 0, multiplying by 1, and their like.
pub fn neutral(graph: &mut Rewriting, i: usize) -> bool {
    let Op::Binary(function) = graph.op(i) else { return false };
    let function = *function;
    let (x, y) = (graph.input(i, 0), graph.input(i, 1));
    let out = graph.shape(graph.output(i)).to_vec();
    let number = |id| graph.constant(id).and_then(|c| c.filling().or_else(|| c.scalar()));
    let (left, right) = match function {
        Binary::Add => (Some(0.0), Some(0.0)),
        Binary::Sub => (None, Some(0.0)),
        Binary::Mul => (Some(1.0), Some(1.0)),
        Binary::Div | Binary::Pow => (None, Some(1.0)),
        _ => return false,
    };
    for (value, kept, neutral) in [(number(x), y, left), (number(y), x, right)] {
        if value.is_some() && value == neutral && graph.shape(kept) == out {
            return graph.same(i, kept);
        }
    }
    false
}

/// A value broadcast before an operator that broadcasts by itself.
pub fn broadcast(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Binary(_)) {
        return false;
    }
    let out = graph.shape(graph.output(i)).to_vec();
    for (expanded, other) in graph.either_way(i) {
        let Some(j) = graph.made_by(expanded, |op| matches!(op, Op::Expand)) else { continue };
        let source = graph.input(j, 0);
        let whole = graph.shape(other) == out && graph.shape(source).len() <= out.len();
        if whole {
            let inputs = graph.inputs(i).into_iter().map(|id| if id == expanded { source } else { id }).collect();
            let op = graph.op(i).clone();
            return graph.replace(i, op, inputs);
        }
    }
    false
}

/// A factor and an addend for every place along an axis: batch norm, as Keras' exporter writes it.
pub fn affine(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Binary(Binary::Add)) {
        return false;
    }
    let shape = graph.shape(graph.output(i)).to_vec();
    let found = graph.either_way(i).into_iter().find_map(|(product, shift)| {
        let m = graph.made_by(product, |op| matches!(op, Op::Binary(Binary::Mul)))?;
        let (axis, shift) = one_axis(graph, shift, &shape)?;
        let (x, scale) = graph.either_way(m).into_iter().find_map(|(x, scale)| {
            let (along, scale) = one_axis(graph, scale, &shape)?;
            (along == axis && graph.shape(x) == shape).then_some((x, scale))
        })?;
        (graph.index.uses(product) == 1).then_some((axis, x, scale, shift))
    });
    let Some((axis, x, scale, shift)) = found else { return false };
    let scale = graph.graph.add_constant(scale);
    let shift = graph.graph.add_constant(shift);
    graph.replace(i, Op::Affine { axis }, vec![x, scale, shift])
}

/// The axis of a shape along which a constant differs, if that is one, and the constant as one row.
fn one_axis(graph: &Rewriting, id: ValueId, shape: &[usize]) -> Option<(usize, Constant)> {
    let constant = graph.constant(id)?;
    let offset = shape.len().checked_sub(constant.shape.len())?;
    let long = constant.shape.iter().position(|n| *n > 1)?;
    let row = constant.reshaped(vec![constant.shape[long]]).ok()?;
    (shape[long + offset] == row.len()).then_some((long + offset, row))
}

/// Bounds and powers with a name of their own; several bounds as one.
pub fn simpler(graph: &mut Rewriting, i: usize) -> bool {
    let (x, y) = (graph.input(i, 0), graph.input(i, 1));
    let is_clip = |op: &Op| matches!(op, Op::Unary(Unary::Clip { .. } | Unary::Relu));
    let bounds = |op: &Op| match op {
        Op::Unary(Unary::Clip { min, max }) => (*min, *max),
        _ => (0.0, f32::INFINITY),
    };
    match graph.op(i) {
        Op::Unary(Unary::Clip { min, max }) if *min == 0.0 && max.is_infinite() && *max > 0.0 => {
            graph.replace(i, Op::Unary(Unary::Relu), vec![x])
        }
        Op::Unary(Unary::Clip { min, max }) if *min == f32::NEG_INFINITY && *max == f32::INFINITY => graph.same(i, x),
        op if is_clip(op) => {
            let (low, high) = bounds(op);
            let Some(j) = moved_from(graph, x, is_clip) else { return false };
            let (min, max) = bounds(graph.op(j));
            // Within the inner bounds already: the outer ones change nothing.
            if low <= min && max <= high {
                return graph.same(i, x);
            }
            if low > high || min > max || graph.output(j) != x {
                return false;
            }
            let source = graph.input(j, 0);
            let clip = Unary::Clip { min: low.max(min).min(high), max: high.min(max).max(low) };
            graph.replace(i, Op::Unary(clip), vec![source])
        }
        Op::Binary(Binary::Pow) => {
            let exponent = graph.constant(y).and_then(|c| c.filling().or_else(|| c.scalar()));
            let same_shape = graph.shape(x) == graph.shape(graph.output(i));
            match exponent.filter(|_| same_shape) {
                Some(0.5) => graph.replace(i, Op::Unary(Unary::Sqrt), vec![x]),
                Some(-1.0) => graph.replace(i, Op::Unary(Unary::Reciprocal), vec![x]),
                Some(2.0) => graph.replace(i, Op::Binary(Binary::Mul), vec![x, x]),
                _ => false,
            }
        }
        Op::Binary(Binary::Max | Binary::Min) => {
            let up = matches!(graph.op(i), Op::Binary(Binary::Max));
            let out = graph.shape(graph.output(i)).to_vec();
            let found = graph.either_way(i).into_iter().find_map(|(x, bound)| {
                let bound = graph.constant(bound)?.scalar()?;
                (graph.shape(x) == out).then_some((x, bound))
            });
            let Some((x, bound)) = found else { return false };
            let (min, max) = if up { (bound, f32::INFINITY) } else { (f32::NEG_INFINITY, bound) };
            graph.replace(i, Op::Unary(Unary::Clip { min, max }), vec![x])
        }
        _ => false,
    }
}

/// The node of this kind that a value's elements come from, through nodes that only move or choose them.
pub fn moved_from(graph: &Rewriting, id: ValueId, is: impl Fn(&Op) -> bool) -> Option<usize> {
    let mut j = graph.producer(id)?;
    loop {
        match graph.op(j) {
            op if is(op) => return Some(j),
            op if moves(op) => {}
            _ => return None,
        }
        j = graph.producer(graph.input(j, 0))?;
    }
}

fn moves(op: &Op) -> bool {
    let chooses = matches!(op, Op::Slice { .. } | Op::Gather { .. } | Op::MaxPool(_) | Op::GlobalMaxPool);
    chooses || matches!(op, Op::Reshape | Op::Transpose { .. } | Op::Expand | Op::Tile)
}
