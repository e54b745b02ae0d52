//! Biases that stand beside their layer.

use super::rewriting::Rewriting;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op};

/// A constant a channel that is added behind a linear layer or a convolution without a bias is its bias.
pub fn bias(scene: &mut Rewriting, i: usize) -> bool {
    if !matches!(scene.op(i), Op::Binary(Binary::Add)) {
        return false;
    }
    let found = scene.either_way(i).into_iter().find_map(|(x, added)| {
        let j = scene.made_by(x, |op| matches!(op, Op::Linear { .. } | Op::Conv(_) | Op::ConvTranspose(_)))?;
        let axis = if let Op::Linear { axis, .. } = scene.op(j) { *axis } else { 1 };
        let alone = scene.graph.nodes[j].inputs.len() == 2 && scene.shape(x) == scene.shape(scene.output(i));
        (alone && scene.index.uses(x) == 1).then_some(())?;
        Some((j, laid_along(scene, added, axis, scene.shape(x))?))
    });
    let Some((j, constant)) = found else { return false };
    let bias = scene.graph.add_constant(constant);
    let mut inputs = scene.inputs(j);
    inputs.push(bias);
    let op = scene.op(j).clone();
    scene.replace(i, op, inputs)
}

/// A constant that differs along one axis only, as one row.
fn laid_along(
    scene: &Rewriting,
    id: ValueId,
    axis: usize,
    shape: &[usize],
) -> Option<crate::model::read::onnx::constant::Constant> {
    let constant = scene.constant(id)?;
    let own = &constant.shape;
    let offset = shape.len().checked_sub(own.len())?;
    let along = own.iter().enumerate().all(|(i, extent)| *extent == 1 || i + offset == axis);
    (along && constant.len() == shape[axis]).then(|| constant.reshaped(vec![constant.len()]).ok())?
}

/// A convolution of 1×1 over one place is what a linear layer is; a linear layer over the channels of a row `[1, C]` that is
/// a map `[1, C, 1, 1]` before and after needs no other shape.
pub fn map_matrix(scene: &mut Rewriting, i: usize) -> bool {
    if !matches!(scene.op(i), Op::Reshape) {
        return false;
    }
    let is_linear = |op: &Op| matches!(op, Op::Linear { axis: 1, .. });
    let Some(j) = scene.made_by(scene.input(i, 0), is_linear) else { return false };
    let Some(r) = scene.made_by(scene.input(j, 0), |op| matches!(op, Op::Reshape)) else { return false };
    let x = scene.input(r, 0);
    let (from, to) = (scene.shape(x), scene.shape(scene.output(i)));
    let points = from.len() == 4 && to.len() == 4 && from[2..] == [1, 1] && to[2..] == [1, 1];
    let row = scene.shape(scene.input(j, 0)) == [1, from[1]];
    if !(points && row) {
        return false;
    }
    let mut inputs = scene.inputs(j);
    inputs[0] = x;
    let op = scene.op(j).clone();
    scene.replace(i, op, inputs)
}
