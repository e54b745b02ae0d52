//! Rules that put one operator in the place of several that say the same.
//!
//! A rule looks at one node and those that it reads from, and may give the node's result another definition. What nobody
//! reads any more is dropped afterwards; what somebody still reads stays, so a rule never has to ask.

mod activations;
mod arithmetic;
mod linear;
mod moves;
mod norms;
mod padding;
mod pooling;
mod rewriting;

use super::ir::{Graph, Index, ValueId};
use rewriting::Rewriting;

/// What may be made of a node; whether something was.
type Rule = fn(&mut Rewriting, usize) -> bool;

const RULES: [Rule; 20] = [
    moves::reshape,
    moves::transpose,
    moves::narrow,
    moves::shuffle,
    arithmetic::neutral,
    arithmetic::simpler,
    arithmetic::broadcast,
    norms::layer_norm,
    norms::group_norm,
    norms::affine,
    norms::batch_affine,
    arithmetic::affine,
    norms::of_convolution,
    linear::bias,
    linear::map_matrix,
    activations::recognise,
    activations::parametric,
    pooling::global,
    padding::convolution,
    padding::pooling,
];

/// How often rules are tried again on what rules have made.
const ROUNDS: usize = 12;

/// Applies all rules until none finds anything more.
pub fn apply(graph: &mut Graph) {
    for _ in 0..ROUNDS {
        graph.drop_dead();
        if !round(graph) {
            break;
        }
    }
    graph.drop_dead();
}

fn round(graph: &mut Graph) -> bool {
    let mut rewriting = Rewriting {
        index: Index::new(graph),
        before: vec![Vec::new(); graph.nodes.len()],
        alias: graph.aliases(),
        graph,
    };
    let mut changed = false;
    for i in 0..rewriting.graph.nodes.len() {
        changed |= RULES.iter().any(|rule| rule(&mut rewriting, i));
    }
    let Rewriting { before, mut alias, graph, .. } = rewriting;
    if !changed {
        return false;
    }
    let nodes = std::mem::take(&mut graph.nodes);
    for (run, node) in before.into_iter().zip(nodes) {
        graph.nodes.extend(run);
        graph.nodes.push(node);
    }
    alias.extend((alias.len() as u32..graph.values.len() as u32).map(ValueId));
    graph.rename(&alias);
    true
}
