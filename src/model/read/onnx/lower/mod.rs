//! From the file's operators to canonical ones.
//!
//! Nodes are taken in order; each becomes canonical nodes on values whose shapes are known, or a constant, or nothing at
//! all. What an operator says in one version as an attribute and in another as an input is settled here, once.

mod attention;
mod call;
mod constants;
mod control;
mod convolution;
mod einsum;
mod indexing;
mod matrix;
mod movement;
mod norms;
mod pointwise;
mod pooling;
mod quantised;
mod reduce;
mod resize;
mod table;

pub use table::operators;

use super::Refusal;
use super::constant::{Constant, Element};
use super::fold;
use super::input::FileInput;
use super::ir::{Graph, Node, SourceNode, Value, ValueId};
use super::op::{Binary, Op};
use super::proto::{self, Model, Tensor};
use super::source::ByteSource;
use super::stored::count;
use std::collections::HashMap;
use std::sync::Arc;

/// The most nodes that functions and branches may grow to.
const MOST_NODES: usize = 100_000;
/// How much more than four times the file's size folded constants may take together, in bytes.
const FOLDING: u64 = 32 << 20;

/// Values by name.
type Names = HashMap<String, ValueId>;

/// What comes out.
pub struct Lowered {
    /// Canonical nodes in order.
    pub graph: Graph,
    /// Bits of a number of the largest weight in the file.
    pub weight_bits: usize,
}

/// The version of the standard operator set.
///
/// # Errors
/// A [`Refusal`] if the file names none.
pub fn standard_opset(opsets: &[(String, i64)]) -> Result<i64, Refusal> {
    let standard = opsets.iter().find(|(domain, _)| is_standard(domain));
    standard.map(|(_, version)| *version).ok_or_else(|| Refusal::new("it names no version of the ONNX operators"))
}

fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Lowers what `target` needs of a model's graph.
///
/// # Errors
/// A [`Refusal`] that names the node, its operator and what would help.
pub fn lower(source: Arc<ByteSource>, model: &Model, input: &FileInput, target: &str) -> Result<Lowered, Refusal> {
    let Some(main) = &model.graph else { return Err(Refusal::new("it has no graph")) };
    let shape = input.picture_shape();
    let picture = Value { name: input.name.clone(), shape: shape.clone(), element: Element::Float, constant: None };
    let budget = files_size(&source, main)?.saturating_mul(4).saturating_add(FOLDING);
    let mut lowering = Lowering {
        graph: Graph { nodes: Vec::new(), values: vec![picture], input: ValueId(0), output: ValueId(0) },
        model,
        source,
        beside: HashMap::new(),
        unreadable: HashMap::new(),
        budget,
        steps: 0,
        origin: SourceNode::default(),
        bytes: input.bytes,
    };
    let mut declared = ValueId(0);
    if shape != input.file_shape {
        declared = lowering.emit(Op::Reshape, vec![declared], input.file_shape.clone(), Element::Float)?;
    }
    let mut names = Names::from([(input.name.clone(), declared)]);
    lowering.run(main, &[target], standard_opset(&model.opsets)?, &mut names, 0)?;
    let output = names
        .get(target)
        .copied()
        .ok_or_else(|| Refusal(format!("nothing computes \"{}\"", target.escape_debug())))?;
    let mut graph = lowering.graph;
    if graph.constant(output).is_some() || output == graph.input || output == declared {
        return Err(Refusal(format!("its output \"{}\" does not depend on the picture", target.escape_debug())));
    }
    graph.output = output;
    let largest = graph.values.iter().filter_map(|v| v.constant.as_ref()).max_by_key(|c| c.len());
    let weight_bits = largest.and_then(Constant::stored_bits).unwrap_or(32);
    Ok(Lowered { graph, weight_bits })
}

/// Bytes of the model, of what lies beside it and of what it was supplied with.
fn files_size(source: &ByteSource, graph: &proto::Graph) -> Result<u64, Refusal> {
    let supplied = graph.initializers.iter().filter_map(|t| t.stored.supply());
    // Architectures standardise the weights of their convolutions in several steps.
    let own = supplied.fold(source.len(), |sum, (_, bytes)| sum.saturating_add(bytes.saturating_mul(4)));
    let mut files: Vec<&str> = graph.initializers.iter().filter_map(|t| t.stored.location()).collect();
    files.sort_unstable();
    files.dedup();
    files.into_iter().try_fold(own, |sum, name| Ok(sum.saturating_add(source.beside(name)?.len())))
}

/// The work in progress.
struct Lowering<'m> {
    graph: Graph,
    model: &'m Model,
    source: Arc<ByteSource>,
    /// Files of weights beside the model.
    beside: HashMap<String, Arc<ByteSource>>,
    /// Weights that cannot be read, and why.
    unreadable: HashMap<String, Refusal>,
    /// Bytes that folded constants may still take.
    budget: u64,
    steps: usize,
    /// The node at hand.
    origin: SourceNode,
    /// Whether the picture is bytes in the file.
    bytes: bool,
}

impl Lowering<'_> {
    /// Lowers what `outputs` need of a graph whose surroundings have these names.
    fn run(
        &mut self,
        graph: &proto::Graph,
        outputs: &[&str],
        opset: i64,
        names: &mut Names,
        depth: usize,
    ) -> Result<(), Refusal> {
        if graph.sparse > 0 {
            return Err(Refusal::new("it has weights in a sparse layout; export it with dense ones"));
        }
        for tensor in &graph.initializers {
            match self.stored(tensor) {
                Ok(constant) => {
                    let id = self.graph.add_constant(constant);
                    self.graph.values[id.0 as usize].name.clone_from(&tensor.name);
                    names.insert(tensor.name.clone(), id);
                }
                // Only told if somebody reads it: files keep texts and other things beside the network.
                Err(refusal) => {
                    self.unreadable.insert(tensor.name.clone(), refusal);
                }
            }
        }
        self.nodes(&graph.nodes, outputs, opset, names, depth)
    }

    /// Lowers what `outputs` need of some nodes.
    fn nodes(
        &mut self,
        nodes: &[proto::Node],
        outputs: &[&str],
        opset: i64,
        names: &mut Names,
        depth: usize,
    ) -> Result<(), Refusal> {
        for node in super::order::order(nodes, outputs)? {
            self.node(node, opset, names, depth)?;
        }
        Ok(())
    }

    /// A weight of the file; nothing is read but its place.
    fn stored(&mut self, tensor: &Tensor) -> Result<Constant, Refusal> {
        let supplied = tensor.stored.supply().map(|(source, _)| source);
        let source = match tensor.stored.location() {
            None => Arc::clone(supplied.unwrap_or(&self.source)),
            Some(name) => match self.beside.get(name) {
                Some(source) => Arc::clone(source),
                None => {
                    let source = Arc::new(self.source.beside(name)?);
                    self.beside.insert(name.to_owned(), Arc::clone(&source));
                    source
                }
            },
        };
        Ok(Constant::placed(tensor.stored.shape()?, tensor.stored.place(source)?))
    }

    /// Adds a canonical node, or the constant that it is.
    ///
    /// # Errors
    /// A [`Refusal`] if the result is too large, or the operator can only be folded and its inputs are computed.
    fn emit(
        &mut self,
        op: Op,
        inputs: Vec<ValueId>,
        shape: Vec<usize>,
        element: Element,
    ) -> Result<ValueId, Refusal> {
        let len = count(&shape)?;
        let constants: Option<Vec<&Constant>> = inputs.iter().map(|id| self.graph.constant(*id)).collect();
        if let Some(constants) = constants {
            let cost = fold::cost(&op, &constants, len, element);
            let folded = if cost <= self.budget { fold::evaluate(&op, &constants, &shape, element)? } else { None };
            self.spend(cost)?;
            if let Some(constant) = folded {
                return Ok(self.graph.add_constant(constant));
            }
        }
        match &op {
            Op::Binary(Binary::Mod { .. } | Binary::Xor) | Op::ScatterNd | Op::CumSum { .. } => {
                return Err(Refusal::new(
                    "it is understood of constants only, and this is computed from the picture",
                ));
            }
            _ => {}
        }
        if shape.contains(&0) {
            return Err(Refusal(format!(
                "nothing is left of the picture ({shape:?}); give it a larger --input-size"
            )));
        }
        let id = self.graph.add(Value { name: String::new(), shape, element, constant: None });
        let name = self.origin.name.clone();
        self.graph.nodes.push(Node { op, name, inputs, output: id, origin: self.origin.clone() });
        Ok(id)
    }

    /// Counts bytes of a constant that is computed.
    fn spend(&mut self, bytes: u64) -> Result<(), Refusal> {
        let too_much =
            || Refusal::new("it computes far more constants than the file is large; simplify it before exporting");
        self.budget = self.budget.checked_sub(bytes).ok_or_else(too_much)?;
        Ok(())
    }
}
