//! Changes between channels-last and channels-first, moved to the graph's edges.
//!
//! A value that the file permutes is kept as it was, and the permutation is remembered with it. Operators that work
//! place by place or along axes take it on to their results; only those that need a layout of their own make it real.
//! Between the Transposes that Keras' exporters write at each layer nothing does, so they cancel.

use super::constant::Constant;
use super::fold;
use super::input::FileInput;
use super::ir::{Graph, Node, ValueId};
use super::op::Op;
use std::collections::HashMap;

/// Channels last, kept as channels first: axis i of the value is axis `LAST[i]` of what is kept.
const LAST: [usize; 4] = [0, 2, 3, 1];
/// Channels first, kept as channels last.
const FIRST: [usize; 4] = [0, 3, 1, 2];

/// A value as it is kept: axis i of it is axis `perm[i]` of `id`.
#[derive(Clone)]
struct Permuted {
    id: ValueId,
    perm: Vec<usize>,
}

struct Pass<'g> {
    graph: &'g mut Graph,
    nodes: Vec<Node>,
    kept: HashMap<ValueId, Permuted>,
    real: HashMap<(ValueId, Vec<usize>), ValueId>,
}

/// Moves changes of layout as far back as they go. A picture that the file wants channels-last becomes channels-first.
pub fn apply(graph: &mut Graph, input: &FileInput) {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut pass = Pass { graph, nodes: Vec::with_capacity(nodes.len()), kept: HashMap::new(), real: HashMap::new() };
    if input.channels_last {
        let declared = pass.graph.input;
        let name = pass.graph.value(declared).name.clone();
        let picture = pass.graph.fresh(vec![1, input.channels, input.size[0], input.size[1]]);
        pass.graph.values[picture.0 as usize].name = name;
        pass.kept.insert(declared, Permuted { id: picture, perm: LAST.to_vec() });
        pass.graph.input = picture;
    }
    nodes.into_iter().for_each(|node| pass.node(node));
    let output = pass.graph.output;
    let output = pass.natural(output, None);
    let nodes = pass.nodes;
    graph.nodes = nodes;
    graph.output = output;
    graph.drop_dead();
}

impl Pass<'_> {
    fn kept(&self, id: ValueId) -> Permuted {
        let natural = || Permuted { id, perm: (0..self.graph.shape(id).len()).collect() };
        self.kept.get(&id).cloned().unwrap_or_else(natural)
    }

    /// A value in its own layout, made real if it is kept in another.
    fn natural(&mut self, id: ValueId, reader: Option<&Node>) -> ValueId {
        let kept = self.kept(id);
        self.permuted(&kept, &kept.perm, reader)
    }

    /// What is kept, with its axes in this order.
    fn permuted(&mut self, kept: &Permuted, perm: &[usize], reader: Option<&Node>) -> ValueId {
        if is_identity(perm) {
            return kept.id;
        }
        let key = (kept.id, perm.to_vec());
        if let Some(id) = self.real.get(&key) {
            return *id;
        }
        let from = self.graph.shape(kept.id);
        let shape: Vec<usize> = perm.iter().map(|axis| from[*axis]).collect();
        let op = if only_ones_move(from, perm) { Op::Reshape } else { Op::Transpose { perm: perm.to_vec() } };
        let id = match self.graph.constant(kept.id) {
            Some(constant) => match permuted_constant(constant, &op, &shape) {
                Some(permuted) => self.graph.add_constant(permuted),
                None => self.push(op, vec![kept.id], shape, reader),
            },
            None => self.push(op, vec![kept.id], shape, reader),
        };
        self.real.insert(key, id);
        id
    }

    fn push(&mut self, op: Op, inputs: Vec<ValueId>, shape: Vec<usize>, like: Option<&Node>) -> ValueId {
        let id = self.graph.fresh(shape);
        let origin = like.map(|node| node.origin.clone()).unwrap_or_default();
        self.nodes.push(Node { op, name: origin.name.clone(), inputs, output: id, origin });
        id
    }

    fn node(&mut self, node: Node) {
        if let Op::Transpose { perm } = &node.op {
            let kept = self.kept(node.inputs[0]);
            let perm = perm.iter().map(|axis| kept.perm[*axis]).collect();
            self.kept.insert(node.output, Permuted { id: kept.id, perm });
            return;
        }
        match self.layout(&node) {
            Some(perm) => self.along(node, &perm),
            None => self.plainly(node),
        }
    }

    /// An operator with its inputs in their own layout.
    fn plainly(&mut self, mut node: Node) {
        for i in 0..node.inputs.len() {
            let kept = self.kept(node.inputs[i]);
            // Another shape does not ask in which order axes of extent 1 were.
            let loose = matches!(node.op, Op::Reshape) && only_ones_move(self.graph.shape(kept.id), &kept.perm);
            node.inputs[i] = if loose { kept.id } else { self.natural(node.inputs[i], Some(&node)) };
        }
        self.nodes.push(node);
    }

    /// The layout in which an operator's operands are kept and its result can be, if that is another than their own.
    fn layout(&self, node: &Node) -> Option<Vec<usize>> {
        if !follows(&node.op) || self.rank_of_result(node) != 4 {
            return None;
        }
        let computed = node.inputs.iter().filter(|id| self.graph.constant(**id).is_none());
        let perms: Vec<Vec<usize>> = computed.map(|id| self.kept(*id).perm).filter(|perm| perm.len() == 4).collect();
        if perms.iter().any(|perm| *perm == LAST) {
            return Some(LAST.to_vec());
        }
        // Kept as channels-last is no gain in itself: everybody has to be.
        let all_first = !perms.is_empty() && perms.iter().all(|perm| *perm == FIRST);
        all_first.then(|| FIRST.to_vec())
    }

    /// Axes of the result; a reduction that drops axes is looked at as if it kept them.
    fn rank_of_result(&self, node: &Node) -> usize {
        let reduces = matches!(node.op, Op::Reduce { .. });
        self.graph.shape(if reduces { node.inputs[0] } else { node.output }).len()
    }

    /// An operator with its operands as they are kept.
    fn along(&mut self, mut node: Node, perm: &[usize]) {
        let inverse = inverse(perm);
        let inputs: Vec<ValueId> = node.inputs.clone();
        for (i, id) in inputs.iter().enumerate() {
            if i == 0 || !has_own_weights(&node.op) {
                node.inputs[i] = self.operand(*id, &inverse, &node);
            }
        }
        let shape = self.graph.shape(node.output).to_vec();
        if let Op::Reduce { axes, keep: keep @ false, .. } = &mut node.op {
            // Kept, then dropped by another shape: what remains has to be in order.
            *keep = true;
            let whole = self.graph.shape(inputs[0]).to_vec();
            let kept: Vec<usize> = (0..4).map(|a| if axes.contains(&a) { 1 } else { whole[a] }).collect();
            axes.iter_mut().for_each(|axis| *axis = perm[*axis]);
            axes.sort_unstable();
            let stored: Vec<usize> = inverse.iter().map(|axis| kept[*axis]).collect();
            let reduced = self.graph.fresh(stored.clone());
            let out = std::mem::replace(&mut node.output, reduced);
            let mut last = reduced;
            self.nodes.push(node.clone());
            if !only_ones_move(&stored, perm) {
                last = self.push(Op::Transpose { perm: perm.to_vec() }, vec![reduced], kept, Some(&node));
            }
            let (name, origin) = (node.name, node.origin);
            self.nodes.push(Node { op: Op::Reshape, name, inputs: vec![last], output: out, origin });
            return;
        }
        turn_axes(&mut node.op, perm, &inverse);
        let stored = self.graph.fresh(inverse.iter().map(|axis| shape[*axis]).collect());
        self.kept.insert(node.output, Permuted { id: stored, perm: perm.to_vec() });
        node.output = stored;
        self.nodes.push(node);
    }

    /// An operand in the layout that is kept: permuted, if its own or its present one is another.
    fn operand(&mut self, id: ValueId, inverse: &[usize], reader: &Node) -> ValueId {
        let mut kept = self.kept(id);
        let len: usize = self.graph.shape(id).iter().product();
        if kept.perm.len() < 4 {
            if len == 1 {
                return kept.id;
            }
            // Broadcast from the last axis on: the missing ones are in front.
            let natural = self.natural(id, Some(reader));
            let mut shape = vec![1; 4 - kept.perm.len()];
            shape.extend(self.graph.shape(natural));
            let laid = match self.graph.constant(natural).map(|c| c.reshaped(shape.clone())) {
                Some(Ok(constant)) => self.graph.add_constant(constant),
                _ => self.push(Op::Reshape, vec![natural], shape, Some(reader)),
            };
            kept = self.kept(laid);
        }
        let turn: Vec<usize> = inverse.iter().map(|axis| kept.perm[*axis]).collect();
        self.permuted(&kept, &turn, Some(reader))
    }
}

/// Whether an operator works in any layout once its axes are renamed.
fn follows(op: &Op) -> bool {
    // Scales of several axes have an order of their own.
    if let Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } = op {
        return axes.len() == 1;
    }
    op.is_pointwise()
        || matches!(
            op,
            Op::Reduce { .. }
                | Op::Softmax { .. }
                | Op::Linear { .. }
                | Op::LpNorm { .. }
                | Op::Concat { .. }
                | Op::Affine { .. }
                | Op::Slice { .. }
                | Op::Pad { .. }
                | Op::Gather { .. }
                | Op::Tile
                | Op::Expand
                | Op::Resize(_)
        )
}

/// Whether all inputs but the first are weights that belong to axes, not operands with axes of their own.
fn has_own_weights(op: &Op) -> bool {
    matches!(op, Op::Linear { .. } | Op::LayerNorm { .. } | Op::RmsNorm { .. } | Op::Affine { .. })
}

/// Renames an operator's axes: axis i becomes axis `perm[i]`.
fn turn_axes(op: &mut Op, perm: &[usize], inverse: &[usize]) {
    match op {
        Op::Softmax { axis, .. }
        | Op::Linear { axis, .. }
        | Op::LpNorm { axis, .. }
        | Op::Concat { axis }
        | Op::Affine { axis }
        | Op::Gather { axis, .. } => *axis = perm[*axis],
        Op::Reduce { axes, .. } | Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => {
            axes.iter_mut().for_each(|axis| *axis = perm[*axis]);
            axes.sort_unstable();
        }
        Op::Slice { starts, steps } => {
            *starts = inverse.iter().map(|axis| starts[*axis]).collect();
            *steps = inverse.iter().map(|axis| steps[*axis]).collect();
        }
        Op::Pad { before, after, .. } => {
            *before = inverse.iter().map(|axis| before[*axis]).collect();
            *after = inverse.iter().map(|axis| after[*axis]).collect();
        }
        Op::Resize(resize) => resize.scales = inverse.iter().map(|axis| resize.scales[*axis]).collect(),
        _ => {}
    }
}

fn permuted_constant(constant: &Constant, op: &Op, shape: &[usize]) -> Option<Constant> {
    fold::evaluate(op, &[constant], shape, constant.element).ok().flatten()
}

fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(i, axis)| inverse[*axis] = i);
    inverse
}

fn is_identity(perm: &[usize]) -> bool {
    perm.iter().enumerate().all(|(i, axis)| i == *axis)
}

/// Whether a permutation leaves the order of all axes that are longer than 1.
pub fn only_ones_move(shape: &[usize], perm: &[usize]) -> bool {
    let long: Vec<usize> = perm.iter().copied().filter(|axis| shape[*axis] > 1).collect();
    long.is_sorted()
}
