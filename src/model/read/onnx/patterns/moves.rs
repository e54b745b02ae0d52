//! Reshapes and transpositions that cancel or are something else.

use super::rewriting::Rewriting;
use crate::model::read::onnx::layout::only_ones_move;
use crate::model::read::onnx::op::Op;

/// A reshape of a reshape, or to the same shape.
pub fn reshape(scene: &mut Rewriting, i: usize) -> bool {
    let is_reshape = |op: &Op| matches!(op, Op::Reshape);
    if !is_reshape(scene.op(i)) {
        return false;
    }
    let x = scene.input(i, 0);
    if scene.shape(x) == scene.shape(scene.output(i)) {
        return scene.same(i, x);
    }
    match scene.made_by(x, is_reshape) {
        Some(j) => {
            let source = scene.input(j, 0);
            scene.replace(i, Op::Reshape, vec![source])
        }
        None => false,
    }
}

/// A transposition of a transposition, one that does nothing, or one that a reshape does as well.
pub fn transpose(scene: &mut Rewriting, i: usize) -> bool {
    let Op::Transpose { perm } = scene.op(i) else { return false };
    let perm = perm.clone();
    let x = scene.input(i, 0);
    if perm.iter().enumerate().all(|(i, axis)| i == *axis) {
        return scene.same(i, x);
    }
    if only_ones_move(scene.shape(x), &perm) {
        return scene.replace(i, Op::Reshape, vec![x]);
    }
    let Some(j) = scene.made_by(x, |op| matches!(op, Op::Transpose { .. })) else { return false };
    let Op::Transpose { perm: inner } = scene.op(j) else { return false };
    let perm = perm.iter().map(|axis| inner[*axis]).collect();
    let source = scene.input(j, 0);
    scene.replace(i, Op::Transpose { perm }, vec![source])
}

/// A transposition without axes of extent 1, which a reshape before and one behind it take away and bring back.
pub fn narrow(scene: &mut Rewriting, i: usize) -> bool {
    let Op::Transpose { perm } = scene.op(i) else { return false };
    let x = scene.input(i, 0);
    let from = scene.shape(x).to_vec();
    if perm.first() != Some(&0) || from[0] != 1 || !from[1..].contains(&1) {
        return false;
    }
    let kept: Vec<usize> = (0..from.len()).filter(|axis| *axis == 0 || from[*axis] > 1).collect();
    let place = |axis: &usize| kept.iter().position(|k| k == axis);
    let narrow: Vec<usize> = perm.iter().filter_map(place).collect();
    let before: Vec<usize> = kept.iter().map(|axis| from[*axis]).collect();
    let after: Vec<usize> = narrow.iter().map(|axis| before[*axis]).collect();
    let x = scene.insert(i, Op::Reshape, vec![x], before);
    let turned = scene.insert(i, Op::Transpose { perm: narrow }, vec![x], after);
    scene.replace(i, Op::Reshape, vec![turned])
}

/// Channels dealt out to groups and collected the other way: a reshape, an exchange of two axes, a reshape back.
pub fn shuffle(scene: &mut Rewriting, i: usize) -> bool {
    if !matches!(scene.op(i), Op::Reshape) {
        return false;
    }
    let Some(t) = scene.made_by(scene.input(i, 0), |op| matches!(op, Op::Transpose { .. })) else { return false };
    let Some(r) = scene.made_by(scene.input(t, 0), |op| matches!(op, Op::Reshape)) else { return false };
    let Op::Transpose { perm } = scene.op(t) else { return false };
    let x = scene.input(r, 0);
    let (from, apart, to) = (scene.shape(x), scene.shape(scene.output(r)), scene.shape(scene.output(i)));
    let exchanged = perm.len() == 5 && perm[..] == [0, 2, 1, 3, 4];
    let dealt = exchanged && from.len() == 4 && from == to && apart[0] == from[0] && apart[3..] == from[2..];
    if !dealt {
        return false;
    }
    let (groups, each) = (apart[1], apart[2]);
    let indices = (0..groups * each).map(|c| c % groups * each + c / groups).collect();
    scene.replace(i, Op::Gather { axis: 1, indices }, vec![x])
}
