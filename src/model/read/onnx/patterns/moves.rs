//! Reshapes and transpositions that cancel or are something else.

use super::rewriting::Rewriting;
use crate::model::read::onnx::layout::only_ones_move;
use crate::model::read::onnx::op::Op;

/// A reshape of a reshape, or to the same shape.
pub fn reshape(graph: &mut Rewriting, i: usize) -> bool {
    let is_reshape = |op: &Op| matches!(op, Op::Reshape);
    if !is_reshape(graph.op(i)) {
        return false;
    }
    let x = graph.input(i, 0);
    if graph.shape(x) == graph.shape(graph.output(i)) {
        return graph.same(i, x);
    }
    match graph.made_by(x, is_reshape) {
        Some(j) => {
            let source = graph.input(j, 0);
            graph.replace(i, Op::Reshape, vec![source])
        }
        None => false,
    }
}

/// A transposition of a transposition, one that does nothing, or one that a reshape does as well.
pub fn transpose(graph: &mut Rewriting, i: usize) -> bool {
    let Op::Transpose { perm } = graph.op(i) else { return false };
    let perm = perm.clone();
    let x = graph.input(i, 0);
    if perm.iter().enumerate().all(|(i, axis)| i == *axis) {
        return graph.same(i, x);
    }
    if only_ones_move(graph.shape(x), &perm) {
        return graph.replace(i, Op::Reshape, vec![x]);
    }
    let Some(j) = graph.made_by(x, |op| matches!(op, Op::Transpose { .. })) else { return false };
    let Op::Transpose { perm: inner } = graph.op(j) else { return false };
    let perm = perm.iter().map(|axis| inner[*axis]).collect();
    let source = graph.input(j, 0);
    graph.replace(i, Op::Transpose { perm }, vec![source])
}

/// A transposition without axes of extent 1, which a reshape before and one behind it take away and bring back.
pub fn narrow(graph: &mut Rewriting, i: usize) -> bool {
    let Op::Transpose { perm } = graph.op(i) else { return false };
    let x = graph.input(i, 0);
    let from = graph.shape(x).to_vec();
    if perm.first() != Some(&0) || from[0] != 1 || !from[1..].contains(&1) {
        return false;
    }
    let kept: Vec<usize> = (0..from.len()).filter(|axis| *axis == 0 || from[*axis] > 1).collect();
    let place = |axis: &usize| kept.iter().position(|k| k == axis);
    let narrow: Vec<usize> = perm.iter().filter_map(place).collect();
    let before: Vec<usize> = kept.iter().map(|axis| from[*axis]).collect();
    let after: Vec<usize> = narrow.iter().map(|axis| before[*axis]).collect();
    let x = graph.insert(i, Op::Reshape, vec![x], before);
    let turned = graph.insert(i, Op::Transpose { perm: narrow }, vec![x], after);
    graph.replace(i, Op::Reshape, vec![turned])
}

/// Channels dealt out to groups and collected the other way: a reshape, an exchange of two axes, a reshape back.
pub fn shuffle(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Reshape) {
        return false;
    }
    let Some(t) = graph.made_by(graph.input(i, 0), |op| matches!(op, Op::Transpose { .. })) else { return false };
    let Some(r) = graph.made_by(graph.input(t, 0), |op| matches!(op, Op::Reshape)) else { return false };
    let Op::Transpose { perm } = graph.op(t) else { return false };
    let x = graph.input(r, 0);
    let (from, apart, to) = (graph.shape(x), graph.shape(graph.output(r)), graph.shape(graph.output(i)));
    let exchanged = perm.len() == 5 && perm[..] == [0, 2, 1, 3, 4];
    let dealt = exchanged && from.len() == 4 && from == to && apart[0] == from[0] && apart[3..] == from[2..];
    if !dealt {
        return false;
    }
    let (groups, each) = (apart[1], apart[2]);
    let indices = (0..groups * each).map(|c| c % groups * each + c / groups).collect();
    graph.replace(i, Op::Gather { axis: 1, indices }, vec![x])
}
