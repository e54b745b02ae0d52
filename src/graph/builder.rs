//! Putting a network together.

use super::layer::LayerName;
use super::network::{Graph, Node};
use super::operator::Operator;
use super::ops::Input;
use super::value::Shape;
use crate::error::{Error, Result, one_line};
use candle_core::Device;
use std::sync::Arc;

/// A node's place in the graph; inputs always come before the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(usize);

/// Puts a network together, node by node, and checks each as it comes.
#[derive(Debug)]
pub struct GraphBuilder {
    channels: usize,
    nodes: Vec<Node>,
    /// Of one picture of the usual size.
    shapes: Vec<Shape>,
}

impl GraphBuilder {
    /// A graph of nothing but its input: pictures of so many channels, usually of this height and width.
    #[must_use]
    pub fn new(channels: usize, [height, width]: [usize; 2]) -> Self {
        let input = Node {
            op: Arc::new(Input { channels }),
            inputs: vec![],
            name: Some(LayerName::INPUT.into()),
            any_batch: true,
        };
        Self { channels, nodes: vec![input], shapes: vec![vec![1, channels, height, width]] }
    }

    /// The picture that goes in.
    #[must_use]
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Adds a layer that reads `inputs`.
    ///
    /// # Errors
    /// [`Error::BadGraph`] if it takes another number of inputs, one of them is not there, or their shapes do not fit.
    pub fn add(&mut self, op: impl Operator, inputs: &[NodeId]) -> Result<NodeId> {
        self.add_shared(Arc::new(op), inputs)
    }

    /// [`GraphBuilder::add`] of an operator that others may use, too.
    ///
    /// # Errors
    /// As there.
    pub fn add_shared(&mut self, op: Arc<dyn Operator>, inputs: &[NodeId]) -> Result<NodeId> {
        let refused =
            |reason: String| Error::BadGraph { node: format!("node {} ({})", self.nodes.len(), op.kind()), reason };
        let arity = op.arity();
        if !arity.contains(&inputs.len()) {
            let due = if arity.start() == arity.end() { arity.start().to_string() } else { format!("{arity:?}") };
            return Err(refused(format!("it takes {due} inputs, not {}", inputs.len())));
        }
        let shapes: Option<Vec<&[usize]>> =
            inputs.iter().map(|input| self.shapes.get(input.0).map(Vec::as_slice)).collect();
        let shapes = shapes.ok_or_else(|| refused("it reads a node that comes after it".to_owned()))?;
        let shape = op.output_shape(&shapes).map_err(|e| refused(one_line(e)))?;
        if shape.contains(&0) {
            return Err(refused(format!("nothing is left of its input: the output would have the shape {shape:?}")));
        }
        let any_batch = op.any_batch(&shapes);
        self.nodes.push(Node { op, inputs: inputs.iter().map(|i| i.0).collect(), name: None, any_batch });
        self.shapes.push(shape);
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// The shape of a node's output for one picture of the usual size.
    ///
    /// # Errors
    /// If the node is not of this graph.
    pub fn shape(&self, node: NodeId) -> Result<&[usize]> {
        self.shapes.get(node.0).map(Vec::as_slice).ok_or_else(|| not_there(node))
    }

    /// Names a layer, so that it can be tapped. A layer has one name, the last that it was given.
    ///
    /// # Errors
    /// [`Error::BadGraph`] if another layer has that name, the node is not of this graph, or the first axis of its output
    /// is not that of the pictures.
    pub fn name(&mut self, node: NodeId, name: impl Into<LayerName>) -> Result<()> {
        let name = name.into();
        if let Some(other) = self.nodes.iter().position(|n| n.name.as_ref() == Some(&name))
            && other != node.0
        {
            let reason = format!("node {other} has that name already; layers are told apart by their names");
            return Err(Error::BadGraph { node: format!("layer \"{name}\""), reason });
        }
        let shape = self.shape(node)?;
        if shape.first() != Some(&1) {
            let reason = format!("its output of shape {shape:?} does not keep pictures apart; name another node");
            return Err(Error::BadGraph { node: format!("layer \"{name}\""), reason });
        }
        self.nodes[node.0].name = Some(name);
        Ok(())
    }

    /// The finished network.
    ///
    /// # Errors
    /// [`Error::BadGraph`] if no layer but the input has a name.
    pub fn build(self, device: Device) -> Result<Graph> {
        if self.nodes.iter().skip(1).all(|node| node.name.is_none()) {
            let reason = "no layer has a name that could be asked for".to_owned();
            return Err(Error::BadGraph { node: "its end".to_owned(), reason });
        }
        Ok(Graph::new(self.channels, self.nodes, device))
    }
}

fn not_there(node: NodeId) -> Error {
    Error::BadGraph { node: format!("node {}", node.0), reason: "it is not of this graph".to_owned() }
}
