//! Biases that stand beside their layer.

use super::rewriting::Rewriting;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op};

/// A constant a channel that is added behind a linear layer or a convolution without a bias is its bias.
pub fn bias(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Binary(Binary::Add)) {
        return false;
    }
    let found = graph.either_way(i).into_iter().find_map(|(x, added)| {
        let j = graph.made_by(x, |op| matches!(op, Op::Linear { .. } | Op::Conv(_) | Op::ConvTranspose(_)))?;
        let axis = if let Op::Linear { axis, .. } = graph.op(j) { *axis } else { 1 };
        let alone = graph.graph.nodes[j].inputs.len() == 2 && graph.shape(x) == graph.shape(graph.output(i));
        (alone && graph.index.uses(x) == 1).then_some(())?;
        Some((j, laid_along(graph, added, axis, graph.shape(x))?))
    });
    let Some((j, constant)) = found else { return false };
    let bias = graph.graph.add_constant(constant);
    let mut inputs = graph.inputs(j);
    inputs.push(bias);
    let op = graph.op(j).clone();
    graph.replace(i, op, inputs)
}

/// A constant that differs along one axis only, as one row.
fn laid_along(
    graph: &Rewriting,
    id: ValueId,
    axis: usize,
    shape: &[usize],
) -> Option<crate::model::read::onnx::constant::Constant> {
    let constant = graph.constant(id)?;
    let own = &constant.shape;
    let offset = shape.len().checked_sub(own.len())?;
    let along = own.iter().enumerate().all(|(i, extent)| *extent == 1 || i + offset == axis);
    (along && constant.len() == shape[axis]).then(|| constant.reshaped(vec![constant.len()]).ok())?
}

/// A convolution of 1×1 over one place is what a linear layer is; a linear layer over the channels of a row `[1, C]` that is
/// a map `[1, C, 1, 1]` before and after needs no other shape.
pub fn map_matrix(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Reshape) {
        return false;
    }
    let is_linear = |op: &Op| matches!(op, Op::Linear { axis: 1, .. });
    let Some(j) = graph.made_by(graph.input(i, 0), is_linear) else { return false };
    let Some(r) = graph.made_by(graph.input(j, 0), |op| matches!(op, Op::Reshape)) else { return false };
    let x = graph.input(r, 0);
    let (from, to) = (graph.shape(x), graph.shape(graph.output(i)));
    let points = from.len() == 4 && to.len() == 4 && from[2..] == [1, 1] && to[2..] == [1, 1];
    let row = graph.shape(graph.input(j, 0)) == [1, from[1]];
    if !(points && row) {
        return false;
    }
    let mut inputs = graph.inputs(j);
    inputs[0] = x;
    let op = graph.op(j).clone();
    graph.replace(i, op, inputs)
}
