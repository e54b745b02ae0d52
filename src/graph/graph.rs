//! A frozen network as a graph of named layers.

use crate::error::{Error, Result, did_you_mean};
use crate::kernels::{Activation, Conv2d, GlobalAvgPool, KernelSet, Map, MaxPool, add, concat};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// The name of a layer: `input`, `logits`, or what the architecture calls it (`blocks.4.2`, `relu3_1`, …).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerName(String);

impl LayerName {
    /// The network's input.
    pub const INPUT: &'static str = "input";
    /// A classifier's output before the softmax, shape `[N, classes, 1, 1]`.
    pub const LOGITS: &'static str = "logits";

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LayerName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<String> for LayerName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl std::fmt::Display for LayerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a node of the graph computes. Linear layers are convolutions whose kernel covers their whole input.
#[derive(Debug, Clone)]
pub enum Op {
    /// The picture.
    Input,
    /// A convolution, batch-norm folded in; copies of a network share it.
    Conv(Arc<Conv2d>),
    /// A rectifier.
    Activation(Activation),
    /// Max-pooling.
    MaxPool(MaxPool),
    /// The mean over all pixels.
    GlobalAvgPool(GlobalAvgPool),
    /// The sum of two inputs.
    Add,
    /// The inputs joined along the channels.
    Concat,
}

impl Op {
    /// The kind of layer in a word, for listings.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Conv(conv) if conv.is_depthwise() => "depthwise convolution",
            Self::Conv(_) => "convolution",
            Self::Activation(Activation::Relu) => "ReLU",
            Self::Activation(Activation::Relu6) => "ReLU6",
            Self::MaxPool(_) => "max-pooling",
            Self::GlobalAvgPool(_) => "global average pooling",
            Self::Add => "sum",
            Self::Concat => "concatenation",
        }
    }

    /// A convolution.
    #[must_use]
    pub fn conv(conv: Conv2d) -> Self {
        Self::Conv(Arc::new(conv))
    }

    /// The layer's output, run on its own; of a network's input, the input.
    pub(super) fn forward(&self, inputs: &[&Map]) -> candle_core::Result<Map> {
        match self {
            Self::Input => Ok(inputs[0].clone()),
            Self::Conv(conv) => conv.forward(inputs[0], None),
            Self::Activation(activation) => activation.forward(inputs[0].clone()),
            Self::MaxPool(pool) => pool.forward(inputs[0]),
            Self::GlobalAvgPool(pool) => pool.forward(inputs[0]),
            Self::Add => add(inputs[0].clone(), inputs[1]),
            Self::Concat => concat(inputs),
        }
    }

    fn output_shape(&self, inputs: &[[usize; 3]]) -> candle_core::Result<[usize; 3]> {
        match self {
            Self::Input | Self::Activation(_) => Ok(inputs[0]),
            Self::Conv(conv) => conv.output_shape(inputs[0]),
            Self::MaxPool(pool) => pool.output_shape(inputs[0]),
            Self::GlobalAvgPool(_) => Ok([inputs[0][0], 1, 1]),
            Self::Add => {
                if inputs[0] != inputs[1] {
                    candle_core::bail!("cannot add maps of shape {:?} and {:?}", inputs[0], inputs[1]);
                }
                Ok(inputs[0])
            }
            Self::Concat => {
                let [_, h, w] = inputs[0];
                Ok([inputs.iter().map(|s| s[0]).sum(), h, w])
            }
        }
    }
}

/// A node's place in the graph; inputs always come before the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub(super) usize);

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub op: Op,
    pub inputs: Vec<usize>,
    pub name: Option<LayerName>,
    /// The convolution whose output only this rectifier or sum reads: both run as one kernel.
    pub fused: Option<usize>,
}

/// Puts a network together, node by node.
#[derive(Debug)]
pub struct GraphBuilder {
    channels: usize,
    nodes: Vec<Node>,
}

impl GraphBuilder {
    /// A graph of nothing but its input, pictures of so many channels.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        let input = Node { op: Op::Input, inputs: vec![], name: Some(LayerName::INPUT.into()), fused: None };
        Self { channels, nodes: vec![input] }
    }

    /// The picture that goes in.
    #[must_use]
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Adds a layer that reads `inputs`.
    pub fn add(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        let inputs = inputs.iter().map(|i| i.0).collect();
        self.nodes.push(Node { op, inputs, name: None, fused: None });
        NodeId(self.nodes.len() - 1)
    }

    /// Names a layer, so that it can be tapped.
    pub fn name(&mut self, node: NodeId, name: impl Into<LayerName>) {
        self.nodes[node.0].name = Some(name.into());
    }

    /// The finished network.
    #[must_use]
    pub fn build(mut self, device: Device) -> Graph {
        let mut readers = vec![0usize; self.nodes.len()];
        for node in &self.nodes {
            for &input in &node.inputs {
                readers[input] += 1;
            }
        }
        for i in 0..self.nodes.len() {
            if let Op::Activation(_) | Op::Add = self.nodes[i].op {
                let alone = |&&input: &&usize| {
                    let source = &self.nodes[input];
                    matches!(source.op, Op::Conv(_)) && readers[input] == 1 && source.name.is_none()
                };
                self.nodes[i].fused = self.nodes[i].inputs.iter().find(alone).copied();
            }
        }
        Graph { channels: self.channels, nodes: self.nodes, device, kernels: KernelSet::default() }
    }
}

/// One named layer, as `gradlens layers` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Its name.
    pub name: LayerName,
    /// Its kind in words.
    pub kind: Cow<'static, str>,
    /// Channels, height and width of its output.
    pub shape: [usize; 3],
}

/// A frozen network: a directed acyclic graph of layers, data once it is built.
#[derive(Debug, Clone)]
pub struct Graph {
    channels: usize,
    pub(super) nodes: Vec<Node>,
    device: Device,
    pub(super) kernels: KernelSet,
}

impl Graph {
    /// Channels of its input.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The device that holds the weights.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Runs this network on another set of kernels (to check one set against the other).
    #[must_use]
    pub fn with_kernels(mut self, kernels: KernelSet) -> Self {
        self.kernels = kernels;
        self
    }

    /// Whether the network ends in class logits.
    #[must_use]
    pub fn is_classifier(&self) -> bool {
        self.position(LayerName::LOGITS).is_some()
    }

    /// Multiply–accumulates and named layers for an input of `height` × `width` pixels.
    ///
    /// # Errors
    /// If the input is too small for the network.
    pub fn layers(&self, height: usize, width: usize) -> Result<Vec<LayerInfo>> {
        let shapes = self.shapes(height, width)?;
        Ok(self
            .nodes
            .iter()
            .zip(shapes)
            .filter_map(|(node, shape)| {
                Some(LayerInfo { name: node.name.clone()?, kind: node.op.kind().into(), shape })
            })
            .collect())
    }

    /// Multiply–accumulates of one forward pass over `height` × `width` pixels.
    ///
    /// # Errors
    /// If the input is too small for the network.
    pub fn macs(&self, height: usize, width: usize) -> Result<usize> {
        let shapes = self.shapes(height, width)?;
        Ok(self
            .nodes
            .iter()
            .map(|node| match &node.op {
                Op::Conv(conv) => conv.macs(shapes[node.inputs[0]]),
                _ => 0,
            })
            .sum())
    }

    /// The layer of that name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the closest names.
    pub fn layer(&self, name: &str) -> Result<LayerName> {
        if self.position(name).is_some() {
            return Ok(name.into());
        }
        let names = self.nodes.iter().filter_map(|n| n.name.as_ref()).map(LayerName::as_str);
        let hint = format!("{} `gradlens layers` lists them", did_you_mean(name, names));
        Err(Error::unknown("layer", name, hint.trim_start()))
    }

    /// The named layers that end with or follow a convolution of their own, from the input to the output: what
    /// [`Graph::randomised`] takes.
    #[must_use]
    pub fn parametric_layers(&self) -> Vec<LayerName> {
        let mut layers: Vec<LayerName> = self.owned_convolutions().filter_map(|(_, name)| name.cloned()).collect();
        layers.dedup();
        layers
    }

    /// A copy whose convolutions inside `layers` are drawn anew: normal, with the mean and the standard deviation
    /// of the weights they replace; biases are kept. A convolution belongs to the first named layer at or after it.
    ///
    /// # Errors
    /// If a layer does not exist.
    pub fn randomised(&self, layers: &[LayerName], rng: &mut impl rand::Rng) -> Result<Self> {
        for layer in layers {
            self.layer(layer.as_str())?;
        }
        let chosen: Vec<usize> = self
            .owned_convolutions()
            .filter(|(_, name)| name.is_some_and(|name| layers.contains(name)))
            .map(|(i, _)| i)
            .collect();
        let mut copy = self.clone();
        for i in chosen {
            if let Op::Conv(conv) = &self.nodes[i].op {
                copy.nodes[i].op = Op::conv(conv.randomised(rng)?);
            }
        }
        Ok(copy)
    }

    /// Each convolution with the name of the layer it belongs to.
    fn owned_convolutions(&self) -> impl Iterator<Item = (usize, Option<&LayerName>)> {
        let convolutions = self.nodes.iter().enumerate().filter(|(_, n)| matches!(n.op, Op::Conv(_)));
        convolutions.map(|(i, _)| (i, self.nodes[i..].iter().find_map(|n| n.name.as_ref())))
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|n| n.name.as_ref().is_some_and(|n| n.as_str() == name))
    }

    pub(super) fn node(&self, name: &LayerName) -> Result<usize> {
        self.layer(name.as_str())?;
        Ok(self.position(name.as_str()).unwrap_or_default())
    }

    /// A tensor `[N, C, H, W]` (float32) as this network's kernels want it, on its device.
    ///
    /// # Errors
    /// If it does not have four dimensions or is not float32.
    pub fn import(&self, tensor: &Tensor) -> candle_core::Result<Map> {
        Map::from_tensor(&tensor.to_device(&self.device)?, self.kernels)
    }

    fn shapes(&self, height: usize, width: usize) -> Result<Vec<[usize; 3]>> {
        let mut shapes: Vec<[usize; 3]> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let inputs: Vec<[usize; 3]> = match node.op {
                Op::Input => vec![[self.channels, height, width]],
                _ => node.inputs.iter().map(|&i| shapes[i]).collect(),
            };
            shapes.push(node.op.output_shape(&inputs)?);
        }
        Ok(shapes)
    }
}
