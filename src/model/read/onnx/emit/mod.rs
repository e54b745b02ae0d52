//! From the file's layers to a network: a canonical operator becomes an operator of [`crate::graph`], its constants the
//! weights.

mod conv;
mod moving;
mod norm;
mod pointwise;

use super::constant::Constant;
use super::ir::{Graph as Layers, Node, ValueId};
use super::op::{Op, Reduction};
use super::{Imported, Refusal};
use crate::graph::{Graph, GraphBuilder, LayerName, NodeId, ops};
use crate::model::{Scores, two_logits};
use candle_core::{Device, Tensor};
use std::cell::Cell;
use std::collections::HashMap;

/// The network of a file, on a device. Its scores, if `scores` says that they are some, are its layer `logits`; a single one
/// that says yes or no becomes two.
///
/// # Errors
/// A [`Refusal`] that names the node that cannot be taken over.
pub fn network(imported: &Imported, scores: Option<Scores>, device: &Device) -> Result<Graph, Refusal> {
    let mut emitter = Emitter::new(imported, device)?;
    for node in &imported.graph.nodes {
        let made = emitter.add(node).map_err(|reason| at(node, &reason, emitter.unreadable.get()))?;
        emitter.nodes.insert(node.output, made);
        emitter.name(made, node);
    }
    let output = emitter.node(imported.graph.output)?;
    match scores {
        Some(Scores::Binary) => two_logits(&mut emitter.graph, output).map(drop).map_err(Refusal::new)?,
        Some(_) => emitter.graph.name(output, LayerName::LOGITS).map_err(Refusal::new)?,
        None => {}
    }
    emitter.graph.build(device.clone()).map_err(Refusal::new)
}

/// A reason with the node that it is about, as the file calls it; `unreadable` if its weights are the trouble.
fn at(node: &Node, reason: &Refusal, unreadable: bool) -> Refusal {
    let (name, op, opset) = (node.origin.name.escape_debug(), node.origin.op.escape_debug(), node.origin.opset);
    if unreadable {
        return Refusal(format!("the weights of its node \"{name}\" ({op}) cannot be read: {reason}"));
    }
    Refusal(format!(
        "its node \"{name}\" ({op}, operator set {opset}) cannot be taken over: {reason}; another output of the graph may do: --output NAME"
    ))
}

/// A network in the making.
struct Emitter<'a> {
    layers: &'a Layers,
    device: &'a Device,
    graph: GraphBuilder,
    nodes: HashMap<ValueId, NodeId>,
    /// Numbers written so far of constants that are one number everywhere.
    filled: Cell<usize>,
    /// Whether a weight's bytes could not be had.
    unreadable: Cell<bool>,
}

impl<'a> Emitter<'a> {
    fn new(imported: &'a Imported, device: &'a Device) -> Result<Self, Refusal> {
        let mut graph = GraphBuilder::new(imported.input.channels, imported.input.size);
        let mut picture = graph.input();
        if imported.input.flat {
            let row = ops::Reshape::new(imported.input.file_shape.clone());
            picture = graph.add(row, &[picture]).map_err(Refusal::new)?;
        }
        let nodes = HashMap::from([(imported.graph.input, picture)]);
        Ok(Self { layers: &imported.graph, device, graph, nodes, filled: Cell::new(0), unreadable: Cell::new(false) })
    }

    /// Adds what a node computes.
    fn add(&mut self, node: &Node) -> Result<NodeId, Refusal> {
        match &node.op {
            Op::Conv(shape) => self.convolution(node, shape),
            Op::ConvTranspose(shape) => self.transposed_convolution(node, shape),
            Op::Linear { axis, transposed } => self.linear(node, *axis, *transposed),
            Op::MatMul => self.put(ops::MatMul, node),
            Op::BatchNorm { epsilon } => self.batch_norm(node, *epsilon),
            Op::Affine { axis } => self.affine(node, *axis),
            Op::InstanceNorm { epsilon } => self.instance_norm(node, *epsilon),
            Op::GroupNorm { groups, epsilon } => self.group_norm(node, *groups, *epsilon),
            Op::LayerNorm { axes, epsilon } => self.layer_norm(node, axes, *epsilon),
            Op::RmsNorm { axes, epsilon } => self.rms_norm(node, axes, *epsilon),
            Op::Lrn { size, alpha, beta, bias } => self.local_response_norm(node, *size, [*alpha, *beta, *bias]),
            Op::LpNorm { axis, p } => self.lp_norm(node, *axis, *p),
            Op::Unary(unary) => self.unary(node, *unary),
            Op::PRelu => self.parametric_relu(node),
            Op::Binary(binary) => self.binary(node, *binary),
            Op::Where => self.select(node),
            Op::MaxPool(window) => self.max_pooling(node, window),
            Op::AveragePool { window, count_padding } => self.average_pooling(node, window, *count_padding),
            Op::GlobalAveragePool => self.put(ops::GlobalAveragePooling, node),
            Op::GlobalMaxPool => self.reduce(node, Reduction::Max, &[2, 3], true),
            Op::Reduce { kind, axes, keep } => self.reduce(node, *kind, axes, *keep),
            Op::Softmax { axis, log } => self.softmax(node, *axis, *log),
            Op::Reshape => self.put(ops::Reshape::new(self.shape(node)), node),
            Op::Transpose { perm } => self.put(ops::Transpose::new(perm.clone()), node),
            Op::Concat { axis } => self.put(ops::Concat::new(*axis), node),
            Op::Slice { starts, steps } => self.slice(node, starts, steps),
            Op::Gather { axis, indices } => self.gather(node, *axis, indices),
            Op::Pad { before, after, mode } => self.pad(node, before, after, *mode),
            Op::Expand => self.put(ops::Expand::new(self.shape(node)), node),
            Op::Tile => self.tile(node),
            Op::Resize(resize) => self.resize(node, resize),
            Op::DepthToSpace { block, crd } => self.depth_to_space(node, *block, *crd),
            Op::SpaceToDepth { block, crd } => self.space_to_depth(node, *block, *crd),
            Op::ScatterNd | Op::CumSum { .. } => {
                Err(Refusal::new("it depends on the picture, and is known for constants only"))
            }
        }
    }

    /// The place of a value in the network; a constant becomes a node of its own.
    fn node(&mut self, value: ValueId) -> Result<NodeId, Refusal> {
        if let Some(node) = self.nodes.get(&value) {
            return Ok(*node);
        }
        let constant =
            self.layers.constant(value).ok_or_else(|| Refusal::new("something that it reads is missing"))?;
        let tensor = self.tensor(constant)?;
        let node = self.graph.add(ops::Constant::new(tensor), &[]).map_err(Refusal::new)?;
        self.nodes.insert(value, node);
        Ok(node)
    }

    /// Adds an operator that reads all that a node reads.
    fn put(&mut self, op: impl crate::graph::Operator, node: &Node) -> Result<NodeId, Refusal> {
        let inputs = node.inputs.iter().map(|input| self.node(*input)).collect::<Result<Vec<_>, _>>()?;
        self.graph.add(op, &inputs).map_err(Refusal::new)
    }

    /// Adds an operator that reads the first of what a node reads; the rest are its weights.
    fn put_on_first(&mut self, op: impl crate::graph::Operator, node: &Node) -> Result<NodeId, Refusal> {
        let first = self.first(node)?;
        self.graph.add(op, &[first]).map_err(Refusal::new)
    }

    fn first(&mut self, node: &Node) -> Result<NodeId, Refusal> {
        let first = node.inputs.first().copied().ok_or_else(|| Refusal::new("it reads nothing"))?;
        self.node(first)
    }

    /// The shape of what a node computes.
    fn shape(&self, node: &Node) -> Vec<usize> {
        self.layers.shape(node.output).to_vec()
    }

    /// The shape of what a node reads first.
    fn input_shape(&self, node: &Node) -> Vec<usize> {
        node.inputs.first().map_or_else(Vec::new, |input| self.layers.shape(*input).to_vec())
    }

    /// The weight that a node reads in a place, if there is one.
    fn weight(&self, node: &Node, place: usize) -> Result<Option<Tensor>, Refusal> {
        let Some(value) = node.inputs.get(place) else { return Ok(None) };
        let constant = self.layers.constant(*value);
        let constant = constant.ok_or_else(|| Refusal::new("its weights depend on the picture"))?;
        self.tensor(constant).map(Some)
    }

    /// The weight that a node cannot do without.
    fn due(&self, node: &Node, place: usize) -> Result<Tensor, Refusal> {
        self.weight(node, place)?.ok_or_else(|| Refusal::new("a weight is missing"))
    }

    fn tensor(&self, constant: &Constant) -> Result<Tensor, Refusal> {
        if constant.filling().is_some() {
            self.filled.set(self.filled.get().saturating_add(constant.len()));
        }
        let values = constant.writable(self.filled.get())?.to_floats().inspect_err(|_| self.unreadable.set(true))?;
        Tensor::from_vec(values.into_owned(), constant.shape.as_slice(), self.device).map_err(Refusal::new)
    }

    /// Gives a layer its name, if it keeps pictures apart; `input` and `logits` have a meaning of their own.
    fn name(&mut self, made: NodeId, node: &Node) {
        let reserved = matches!(node.name.as_str(), LayerName::INPUT | LayerName::LOGITS);
        let name = if reserved { format!("{}_layer", node.name) } else { node.name.clone() };
        if !name.is_empty() {
            // A layer that cannot be named cannot be asked for, and runs all the same.
            let _ = self.graph.name(made, name);
        }
    }
}
