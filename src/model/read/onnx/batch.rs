//! Pictures kept apart: every value gets the batch as its first axis.
//!
//! Files are exported with whatever the network does to the batch: windows of a Swin transformer are `[64, 49, C]`, attention
//! of PyTorch is `[T, 1, C]`. With one picture that is the same as `[1, 64, 49, C]` and `[1, T, 1, C]`, where a batch of pictures
//! can stand in the first axis. So a value whose first axis is not the batch is kept with one more in front.

use super::ir::{Graph, Node, ValueId};
use super::op::Op;
use std::collections::HashMap;

/// Puts the batch in front of every computed value.
pub fn apply(graph: &mut Graph) {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut lifter = Lifter { graph, nodes: Vec::with_capacity(nodes.len()), lifted: HashMap::new() };
    nodes.into_iter().for_each(|node| lifter.node(node));
    let nodes = lifter.nodes;
    let output = lifter.lifted.get(&graph.output).copied().unwrap_or(graph.output);
    graph.nodes = nodes;
    graph.output = output;
}

struct Lifter<'g> {
    graph: &'g mut Graph,
    nodes: Vec<Node>,
    /// What values are kept as that have no batch in front.
    lifted: HashMap<ValueId, ValueId>,
}

impl Lifter<'_> {
    fn node(&mut self, mut node: Node) {
        let out = self.graph.shape(node.output).to_vec();
        if matches!(node.op, Op::Reshape) {
            let x = node.inputs[0];
            node.inputs[0] = self.lifted.get(&x).copied().unwrap_or(x);
            if out.first() != Some(&1) {
                node.output = self.in_front(node.output, &out);
            }
            self.nodes.push(node);
            return;
        }
        let inside = node.inputs.iter().any(|id| self.lifted.contains_key(id));
        let broadcasts = node.op.is_pointwise() || matches!(node.op, Op::MatMul);
        if !inside && out.first() == Some(&1) && !mixes(&node.op) {
            for i in 0..node.inputs.len() {
                let (id, rank) = (node.inputs[i], self.graph.shape(node.inputs[i]).len());
                // The batch of an operand with fewer axes would lie beside another axis.
                if broadcasts && rank < out.len() && self.is_computed(id) {
                    let own = self.graph.shape(id);
                    let shape = [vec![1; 1 + out.len() - rank], own.get(1..).unwrap_or_default().to_vec()].concat();
                    node.inputs[i] = self.reshaped(id, shape, &node);
                }
            }
            self.nodes.push(node);
            return;
        }
        for i in 0..node.inputs.len() {
            let own = self.graph.shape(node.inputs[i]).to_vec();
            // Constants that are broadcast fit from the last axis on; those that are joined need as many axes.
            if self.is_computed(node.inputs[i]) || matches!(node.op, Op::Concat { .. }) {
                let rank = if broadcasts { out.len().max(own.len()) } else { own.len() };
                let shape = [vec![1; 1 + rank - own.len()], own].concat();
                let id = node.inputs[i];
                let id = self.lifted.get(&id).copied().unwrap_or(id);
                node.inputs[i] = self.reshaped(id, shape, &node);
            }
        }
        one_axis_more(&mut node.op);
        let result = node.output;
        node.output = self.in_front(result, &out);
        let (kept, name, origin) = (node.output, node.name.clone(), node.origin.clone());
        self.nodes.push(node);
        if out.first() == Some(&1) {
            self.lifted.remove(&result);
            self.nodes.push(Node { op: Op::Reshape, name, inputs: vec![kept], output: result, origin });
        }
    }

    fn is_computed(&self, id: ValueId) -> bool {
        self.graph.constant(id).is_none()
    }

    /// What a value of this shape is kept as.
    fn in_front(&mut self, id: ValueId, shape: &[usize]) -> ValueId {
        let kept = self.graph.fresh([&[1], shape].concat());
        self.lifted.insert(id, kept);
        kept
    }

    fn reshaped(&mut self, id: ValueId, shape: Vec<usize>, reader: &Node) -> ValueId {
        if self.graph.shape(id) == shape {
            return id;
        }
        if let Some(Ok(constant)) = self.graph.constant(id).map(|c| c.reshaped(shape.clone())) {
            return self.graph.add_constant(constant);
        }
        let output = self.graph.fresh(shape);
        let (name, origin) = (reader.name.clone(), reader.origin.clone());
        self.nodes.push(Node { op: Op::Reshape, name, inputs: vec![id], output, origin });
        output
    }
}

/// Whether an operator does something along the first axis.
fn mixes(op: &Op) -> bool {
    match op {
        Op::Transpose { perm } => perm.first() != Some(&0),
        Op::Reduce { axes, .. } | Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => axes.contains(&0),
        Op::Softmax { axis, .. }
        | Op::LpNorm { axis, .. }
        | Op::Concat { axis }
        | Op::Gather { axis, .. }
        | Op::Affine { axis }
        | Op::Linear { axis, .. } => *axis == 0,
        _ => false,
    }
}

/// Counts axes with one more in front.
fn one_axis_more(op: &mut Op) {
    match op {
        Op::Transpose { perm } => *perm = std::iter::once(0).chain(perm.iter().map(|axis| axis + 1)).collect(),
        Op::Reduce { axes, .. } | Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => {
            axes.iter_mut().for_each(|axis| *axis += 1);
        }
        Op::Softmax { axis, .. }
        | Op::LpNorm { axis, .. }
        | Op::Concat { axis }
        | Op::Gather { axis, .. }
        | Op::Affine { axis }
        | Op::Linear { axis, .. } => *axis += 1,
        Op::Slice { starts, steps } => {
            starts.insert(0, 0);
            steps.insert(0, 1);
        }
        Op::Pad { before, after, .. } => {
            before.insert(0, 0);
            after.insert(0, 0);
        }
        Op::Resize(resize) => resize.scales.insert(0, 1.0),
        _ => {}
    }
}
