//! The graph between a file and a network: canonical operators on values whose shapes are known.

use super::constant::{Constant, Element};
use super::op::Op;
use std::collections::BTreeMap;

/// A value: an index into [`Graph::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

/// What is known of a value.
#[derive(Debug, Clone)]
pub struct Value {
    /// Its name in the file, or one derived from its node's; may be empty between steps.
    pub name: String,
    /// Its extents, batch first.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub element: Element,
    /// Its elements, if they do not depend on the picture.
    pub constant: Option<Constant>,
}

/// A use of an operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// What is computed, with everything that is no tensor.
    pub op: Op,
    /// Its name, as a person would look for it once the graph is finished.
    pub name: String,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// What it computes.
    pub output: ValueId,
    /// What the file calls it: operator, operator set and name, for messages.
    pub origin: SourceNode,
}

/// Where a node comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceNode {
    /// The file's operator.
    pub op: String,
    /// The version of its operator set.
    pub opset: i64,
    /// The file's name of the node; may be empty.
    pub name: String,
    /// The module that it comes from, if the exporter says so; may be empty.
    pub module: String,
}

/// Nodes in an order in which everything is computed before it is read.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// All values; some may be nobody's any more.
    pub values: Vec<Value>,
    /// The picture.
    pub input: ValueId,
    /// What is explained.
    pub output: ValueId,
}

impl Graph {
    /// What is known of a value.
    #[must_use]
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// A value's extents.
    #[must_use]
    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.value(id).shape
    }

    /// A value's elements, if they do not depend on the picture.
    #[must_use]
    pub fn constant(&self, id: ValueId) -> Option<&Constant> {
        self.value(id).constant.as_ref()
    }

    /// A constant's one number.
    #[must_use]
    pub fn scalar(&self, id: ValueId) -> Option<f32> {
        self.constant(id)?.scalar()
    }

    /// Adds a value that a node will compute.
    pub fn fresh(&mut self, shape: Vec<usize>) -> ValueId {
        self.add(Value { name: String::new(), shape, element: Element::Float, constant: None })
    }

    /// Adds a constant.
    pub fn add_constant(&mut self, constant: Constant) -> ValueId {
        self.add(Value {
            name: String::new(),
            shape: constant.shape.clone(),
            element: constant.element,
            constant: Some(constant),
        })
    }

    /// Adds a value.
    pub fn add(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        ValueId(self.values.len() as u32 - 1)
    }

    /// How often each operator is used.
    #[must_use]
    pub fn histogram(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for node in &self.nodes {
            *counts.entry(node.op.name()).or_insert(0) += 1;
        }
        counts
    }

    /// Reads values under other names: `alias[v]` is what stands for v, possibly through several steps.
    pub fn rename(&mut self, alias: &[ValueId]) {
        let find = |mut id: ValueId| {
            while alias[id.0 as usize] != id {
                id = alias[id.0 as usize];
            }
            id
        };
        for node in &mut self.nodes {
            for input in &mut node.inputs {
                *input = find(*input);
            }
        }
        self.output = find(self.output);
    }

    /// An alias table in which every value stands for itself.
    #[must_use]
    pub fn aliases(&self) -> Vec<ValueId> {
        (0..self.values.len() as u32).map(ValueId).collect()
    }

    /// Drops nodes and constants that the output does not need.
    pub fn drop_dead(&mut self) {
        let mut needed = vec![false; self.values.len()];
        needed[self.output.0 as usize] = true;
        let mut kept: Vec<Node> = Vec::with_capacity(self.nodes.len());
        for node in std::mem::take(&mut self.nodes).into_iter().rev() {
            if needed[node.output.0 as usize] {
                node.inputs.iter().for_each(|id| needed[id.0 as usize] = true);
                kept.push(node);
            }
        }
        kept.reverse();
        self.nodes = kept;
        for (value, _) in self.values.iter_mut().zip(needed).filter(|(_, needed)| !needed) {
            value.constant = None;
        }
    }
}

/// Who computes and who reads a graph's values, as long as the graph does not change.
#[derive(Debug)]
pub struct Index {
    producer: Vec<Option<u32>>,
    uses: Vec<u32>,
}

impl Index {
    /// Looks through a graph.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        let mut index = Self { producer: vec![None; graph.values.len()], uses: vec![0; graph.values.len()] };
        for (i, node) in graph.nodes.iter().enumerate() {
            index.producer[node.output.0 as usize] = Some(i as u32);
            node.inputs.iter().for_each(|id| index.uses[id.0 as usize] += 1);
        }
        index.uses[graph.output.0 as usize] += 1;
        index
    }

    /// The place of the node that computes a value.
    #[must_use]
    pub fn producer(&self, id: ValueId) -> Option<usize> {
        self.producer.get(id.0 as usize).copied().flatten().map(|i| i as usize)
    }

    /// The node that computes a value.
    #[must_use]
    pub fn node<'a>(&self, graph: &'a Graph, id: ValueId) -> Option<&'a Node> {
        self.producer(id).map(|i| &graph.nodes[i])
    }

    /// How often a value is read, as the graph's output, too.
    #[must_use]
    pub fn uses(&self, id: ValueId) -> usize {
        self.uses.get(id.0 as usize).map_or(0, |n| *n as usize)
    }
}
