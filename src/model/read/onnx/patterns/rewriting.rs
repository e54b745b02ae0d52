//! A graph while rules go through it.

use super::super::constant::Constant;
use super::super::ir::{Graph, Index, Node, ValueId};
use super::super::op::Op;

/// A graph while rules go through it.
pub(super) struct Rewriting<'g> {
    pub(super) graph: &'g mut Graph,
    pub(super) index: Index,
    /// New nodes to be computed before each node.
    pub(super) before: Vec<Vec<Node>>,
    /// Values that turned out to be others.
    pub(super) alias: Vec<ValueId>,
}

impl Rewriting<'_> {
    pub(super) fn op(&self, i: usize) -> &Op {
        &self.graph.nodes[i].op
    }

    /// The n-th input of a node, or the first if it has fewer.
    pub(super) fn input(&self, i: usize, n: usize) -> ValueId {
        let inputs = &self.graph.nodes[i].inputs;
        self.find(inputs.get(n).copied().unwrap_or(inputs[0]))
    }

    pub(super) fn inputs(&self, i: usize) -> Vec<ValueId> {
        self.graph.nodes[i].inputs.iter().map(|id| self.find(*id)).collect()
    }

    pub(super) fn output(&self, i: usize) -> ValueId {
        self.graph.nodes[i].output
    }

    /// What a value has turned out to be in this round.
    pub(super) fn find(&self, mut id: ValueId) -> ValueId {
        while let Some(other) = self.alias.get(id.0 as usize).filter(|other| **other != id) {
            id = *other;
        }
        id
    }

    pub(super) fn shape(&self, id: ValueId) -> &[usize] {
        self.graph.shape(id)
    }

    pub(super) fn constant(&self, id: ValueId) -> Option<&Constant> {
        self.graph.constant(id)
    }

    /// The place of the node that computes a value. Nodes that this round has added are not found.
    pub(super) fn producer(&self, id: ValueId) -> Option<usize> {
        self.index.producer(self.find(id))
    }

    /// Gives a node's result another definition.
    pub(super) fn replace(&mut self, i: usize, op: Op, inputs: Vec<ValueId>) -> bool {
        let node = &mut self.graph.nodes[i];
        node.op = op;
        node.inputs = inputs;
        true
    }

    /// A node's result is this value.
    pub(super) fn same(&mut self, i: usize, value: ValueId) -> bool {
        let out = self.output(i);
        self.alias[out.0 as usize] = value;
        true
    }

    /// Adds a node before another, with its name.
    pub(super) fn insert(&mut self, i: usize, op: Op, inputs: Vec<ValueId>, shape: Vec<usize>) -> ValueId {
        let out = self.graph.fresh(shape);
        let like = &self.graph.nodes[i];
        let node = Node { op, name: like.name.clone(), inputs, output: out, origin: like.origin.clone() };
        self.before[i].push(node);
        out
    }

    /// The two operands of a node, as they are and the other way round.
    pub(super) fn either_way(&self, i: usize) -> [(ValueId, ValueId); 2] {
        let (x, y) = (self.input(i, 0), self.input(i, 1));
        [(x, y), (y, x)]
    }

    /// The node that computes a value, if its operator is of this kind.
    pub(super) fn made_by(&self, id: ValueId, is: impl Fn(&Op) -> bool) -> Option<usize> {
        self.producer(id).filter(|i| is(self.op(*i)))
    }
}
