//! The end of a network: a last softmax or sigmoid is cut off, since scores are explained before it.

use super::ir::{Graph, Index, Node};
use super::op::{Op, Unary};
use crate::model::Scores;
use std::collections::HashSet;

/// What a sigmoid of a value of this shape says.
fn sigmoid(shape: &[usize]) -> Scores {
    if shape.iter().product::<usize>() == 1 { Scores::Binary } else { Scores::Sigmoid }
}

/// Whether the output changes with the picture by more than jumps: a gradient comes from it to the picture.
pub fn has_gradient(graph: &Graph) -> bool {
    let mut reached = HashSet::from([graph.input]);
    for node in &graph.nodes {
        let passing = match &node.op {
            Op::Unary(Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round) => &[],
            Op::Binary(binary) if !binary.is_smooth() => &[],
            Op::Where => node.inputs.get(1..).unwrap_or_default(),
            _ => &node.inputs[..],
        };
        if passing.iter().any(|input| reached.contains(input)) {
            reached.insert(node.output);
        }
    }
    reached.contains(&graph.output)
}

/// Cuts off a last softmax or sigmoid, and makes scores that are one row `[1, N]`.
pub fn cut(graph: &mut Graph) -> Scores {
    let index = Index::new(graph);
    let mut at = graph.output;
    let mut scores = Scores::Plain;
    while let Some(node) = index.node(graph, at) {
        let source = node.inputs[0];
        match node.op {
            Op::Reshape => {}
            // What quantisation holds probabilities to.
            Op::Unary(Unary::Clip { min, max }) if min <= 0.0 && max > 0.98 => {}
            // Of one axis only: a map of classes has a softmax at each place.
            Op::Softmax { axis, .. }
                if graph.shape(source)[axis] == graph.shape(source).iter().product::<usize>() =>
            {
                scores = Scores::Softmax;
            }
            Op::Unary(Unary::Sigmoid) => scores = sigmoid(graph.shape(source)),
            _ => break,
        }
        at = source;
        if scores != Scores::Plain {
            graph.output = at;
            break;
        }
    }
    let shape = graph.shape(graph.output).to_vec();
    let len = shape.iter().product();
    if shape != [1, len] && shape.iter().filter(|extent| **extent > 1).count() <= 1 {
        let (row, from) = (graph.fresh(vec![1, len]), graph.output);
        let origin = index.node(graph, from).map(|node| node.origin.clone()).unwrap_or_default();
        let name = origin.name.clone();
        graph.nodes.push(Node { op: Op::Reshape, name, inputs: vec![from], output: row, origin });
        graph.output = row;
    }
    graph.drop_dead();
    scores
}
