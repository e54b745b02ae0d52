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

use super::constant::Constant;
use super::ir::{Graph, Index, Node, ValueId};
use super::op::Op;

/// What may be made of a node; whether something was.
type Rule = fn(&mut Scene, usize) -> bool;

const RULES: [Rule; 19] = [
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
    let mut scene = Scene {
        index: Index::new(graph),
        before: vec![Vec::new(); graph.nodes.len()],
        alias: graph.aliases(),
        graph,
    };
    let mut changed = false;
    for i in 0..scene.graph.nodes.len() {
        changed |= RULES.iter().any(|rule| rule(&mut scene, i));
    }
    let Scene { before, mut alias, graph, .. } = scene;
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

/// A graph while rules go through it.
struct Scene<'g> {
    graph: &'g mut Graph,
    index: Index,
    /// New nodes to be computed before each node.
    before: Vec<Vec<Node>>,
    /// Values that turned out to be others.
    alias: Vec<ValueId>,
}

impl Scene<'_> {
    fn op(&self, i: usize) -> &Op {
        &self.graph.nodes[i].op
    }

    /// The n-th input of a node, or the first if it has fewer.
    fn input(&self, i: usize, n: usize) -> ValueId {
        let inputs = &self.graph.nodes[i].inputs;
        self.find(inputs.get(n).copied().unwrap_or(inputs[0]))
    }

    fn inputs(&self, i: usize) -> Vec<ValueId> {
        self.graph.nodes[i].inputs.iter().map(|id| self.find(*id)).collect()
    }

    fn output(&self, i: usize) -> ValueId {
        self.graph.nodes[i].output
    }

    /// What a value has turned out to be in this round.
    fn find(&self, mut id: ValueId) -> ValueId {
        while let Some(other) = self.alias.get(id.0 as usize).filter(|other| **other != id) {
            id = *other;
        }
        id
    }

    fn shape(&self, id: ValueId) -> &[usize] {
        self.graph.shape(id)
    }

    fn constant(&self, id: ValueId) -> Option<&Constant> {
        self.graph.constant(id)
    }

    /// The place of the node that computes a value. Nodes that this round has added are not found.
    fn producer(&self, id: ValueId) -> Option<usize> {
        self.index.producer(self.find(id))
    }

    /// Gives a node's result another definition.
    fn replace(&mut self, i: usize, op: Op, inputs: Vec<ValueId>) -> bool {
        let node = &mut self.graph.nodes[i];
        node.op = op;
        node.inputs = inputs;
        true
    }

    /// A node's result is this value.
    fn same(&mut self, i: usize, value: ValueId) -> bool {
        let out = self.output(i);
        self.alias[out.0 as usize] = value;
        true
    }

    /// Adds a node before another, with its name.
    fn insert(&mut self, i: usize, op: Op, inputs: Vec<ValueId>, shape: Vec<usize>) -> ValueId {
        let out = self.graph.fresh(shape);
        let like = &self.graph.nodes[i];
        let node = Node { op, name: like.name.clone(), inputs, output: out, origin: like.origin.clone() };
        self.before[i].push(node);
        out
    }

    /// The two operands of a node, as they are and the other way round.
    fn either_way(&self, i: usize) -> [(ValueId, ValueId); 2] {
        let (x, y) = (self.input(i, 0), self.input(i, 1));
        [(x, y), (y, x)]
    }

    /// The node that computes a value, if its operator is of this kind.
    fn made_by(&self, id: ValueId, is: impl Fn(&Op) -> bool) -> Option<usize> {
        self.producer(id).filter(|i| is(self.op(*i)))
    }
}
