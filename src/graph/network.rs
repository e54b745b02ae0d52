//! A frozen network as a graph of named layers.

use super::kind::Family;
use super::layer::{LayerInfo, LayerName, as_maps};
use super::operator::Operator;
use super::value::{Shape, Value};
use crate::error::{Error, Result, did_you_mean};
use crate::kernels::{KernelSet, Map};
use candle_core::{Device, Tensor};
use rand::RngCore;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Copies of a network share it.
    pub op: Arc<dyn Operator>,
    pub inputs: Vec<usize>,
    pub name: Option<LayerName>,
    /// Whether it takes several pictures at once.
    pub any_batch: bool,
}

/// A frozen network: a directed acyclic graph of layers, data once it is built.
#[derive(Debug, Clone)]
pub struct Graph {
    channels: usize,
    /// Inputs before their readers; the first is the picture.
    pub(super) nodes: Vec<Node>,
    /// For each node the first that reads it: the last on the way back. Of one that nobody reads, itself.
    pub(super) first_readers: Vec<usize>,
    device: Device,
    pub(super) kernels: KernelSet,
}

impl Graph {
    pub(super) fn new(channels: usize, nodes: Vec<Node>, device: Device) -> Self {
        let mut first_readers: Vec<usize> = (0..nodes.len()).collect();
        for (i, node) in nodes.iter().enumerate().rev() {
            node.inputs.iter().for_each(|&input| first_readers[input] = i);
        }
        Self { channels, nodes, first_readers, device, kernels: KernelSet::default() }
    }

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

    /// The named layers for an input of `height` × `width` pixels, from the input to the output.
    ///
    /// # Errors
    /// If the network does not take pictures of that size.
    pub fn layers(&self, height: usize, width: usize) -> Result<Vec<LayerInfo>> {
        let shapes = self.shapes(height, width)?;
        let info = |(node, shape): (&Node, Shape)| {
            let [_, c, h, w] = as_maps(&shape);
            Some(LayerInfo {
                name: node.name.clone()?,
                kind: node.op.kind().words.into(),
                shape: [c, h, w],
                grid: None,
            })
        };
        Ok(self.nodes.iter().zip(shapes).filter_map(info).collect())
    }

    /// What kind of layer each of the named ones is, in the order of [`Graph::layers`].
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        self.nodes.iter().filter(|node| node.name.is_some()).map(|node| node.op.kind().family).collect()
    }

    /// Multiply–accumulates of one forward pass over `height` × `width` pixels.
    ///
    /// # Errors
    /// If the network does not take pictures of that size.
    pub fn macs(&self, height: usize, width: usize) -> Result<usize> {
        let shapes = self.shapes(height, width)?;
        Ok(self.nodes.iter().map(|node| node.op.macs(&of(&shapes, &node.inputs))).sum())
    }

    /// Numbers that the network has learned.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(|node| node.op.parameters()).sum()
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

    /// The named layers that end with or follow weights of their own, from the input to the output: what
    /// [`Graph::randomised`] takes.
    #[must_use]
    pub fn parametric_layers(&self) -> Vec<LayerName> {
        let owners = self.weighted_nodes().filter_map(|(_, owner)| owner.cloned());
        let mut layers: Vec<LayerName> = owners.collect();
        layers.dedup();
        layers
    }

    /// A copy whose weights inside `layers` are drawn anew: normal, with the mean and the standard deviation of those
    /// they replace; biases are kept. Weights belong to the first named layer at or after them.
    ///
    /// # Errors
    /// If a layer does not exist.
    pub fn randomised(&self, layers: &[LayerName], rng: &mut dyn RngCore) -> Result<Self> {
        for layer in layers {
            self.layer(layer.as_str())?;
        }
        let mut copy = self.clone();
        for (i, owner) in self.weighted_nodes() {
            if let Some(weighted) = self.nodes[i].op.weighted()
                && owner.is_some_and(|owner| layers.contains(owner))
            {
                copy.nodes[i].op = weighted.randomised(rng)?;
            }
        }
        Ok(copy)
    }

    /// Each node with weights and the name of the layer it belongs to.
    fn weighted_nodes(&self) -> impl Iterator<Item = (usize, Option<&LayerName>)> {
        let weighted = self.nodes.iter().enumerate().filter(|(_, node)| node.op.weighted().is_some());
        weighted.map(|(i, _)| (i, self.owner(i)))
    }

    /// The named layer that a node is or leads to.
    pub(super) fn owner(&self, node: usize) -> Option<&LayerName> {
        self.nodes[node..].iter().find_map(|n| n.name.as_ref())
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

    /// A layer's output or gradient as it is handed in, a map `[N, C, H, W]`, in the layer's own shape.
    pub(super) fn value(&self, map: Map, shape: &[usize]) -> candle_core::Result<Value> {
        if shape.len() == 4 {
            return Ok(Value::of_map(map, self.kernels));
        }
        Value::of_rows(map, shape.to_vec(), self.kernels)
    }

    pub(super) fn shapes(&self, height: usize, width: usize) -> Result<Vec<Shape>> {
        let picture = vec![1, self.channels, height, width];
        let mut shapes: Vec<Shape> = vec![self.nodes[0].op.output_shape(&[&picture])?];
        for node in &self.nodes[1..] {
            let shape = node.op.output_shape(&of(&shapes, &node.inputs))?;
            shapes.push(shape);
        }
        Ok(shapes)
    }
}

/// The shapes of some nodes.
pub(super) fn of<'a>(shapes: &'a [Shape], nodes: &[usize]) -> Vec<&'a [usize]> {
    nodes.iter().map(|&node| shapes[node].as_slice()).collect()
}
