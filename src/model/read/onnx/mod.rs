//! ONNX files: from bytes to a graph of layers.
//!
//! `wire` reads protobuf, `proto` the messages, `stored` and `constant` the weights (which stay in the file until
//! they are used). `lower` makes canonical operators (`op`) of the file's, with every shape known, and folds what
//! does not depend on the picture. `patterns`, `layout` and `batch` then leave the layers that a person would
//! name. Reference: <https://onnx.ai/onnx/operators/>, operator sets 6 to 28.

mod batch;
pub mod constant;
mod emit;
mod fold;
mod head;
mod input;
pub mod ir;
pub mod labels;
mod layout;
mod lower;
mod names;
pub mod op;
mod order;
mod patterns;
mod pointwise;
pub mod proto;
mod refusal;
pub mod source;
pub mod stored;
pub mod wire;

pub use emit::network;
pub use input::{FileInput, ImportOptions};
pub use lower::operators;
pub use refusal::Refusal;

use crate::model::{Assumption, Scores};
use ir::Graph;
use source::ByteSource;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

/// A model as it comes out of a file: layers, and what the file says about them.
#[derive(Debug)]
pub struct Imported {
    /// The layers from picture to scores.
    pub graph: Graph,
    /// What the picture has to be.
    pub input: FileInput,
    /// What the scores are, before a last softmax or sigmoid, which is cut off.
    pub scores: Scores,
    /// Names of the outputs of the file's graph.
    pub outputs: Vec<String>,
    /// Names of the classes, if the file has them.
    pub labels: Option<Vec<String>>,
    /// The file's free key–value pairs.
    pub metadata: Vec<(String, String)>,
    /// Program that wrote the file, with its version.
    pub producer: String,
    /// Version of the standard operator set.
    pub opset: i64,
    /// Bits of a number of the largest weight in the file.
    pub weight_bits: usize,
    /// What was assumed because the file does not say it, each with the option that changes it.
    pub assumptions: Vec<Assumption>,
}

impl Imported {
    /// How many scores there are, if it ends in a row of them and not in maps or tokens.
    #[must_use]
    pub fn classes(&self) -> Option<usize> {
        match self.graph.shape(self.graph.output) {
            [1, count] => Some(*count),
            _ => None,
        }
    }
}

/// Versions of the standard operator set whose meaning is known.
const OPERATOR_SETS: RangeInclusive<i64> = 6..=28;

/// Reads a file.
///
/// # Errors
/// A [`Refusal`] with what stands in the way and what would help.
pub fn read(path: &Path, options: &ImportOptions) -> std::result::Result<Imported, Refusal> {
    ByteSource::open(path).and_then(|source| import(Arc::new(source), options))
}

/// Reads a model from a source.
///
/// # Errors
/// A [`Refusal`] with what stands in the way and what would help.
pub fn import(source: Arc<ByteSource>, options: &ImportOptions) -> std::result::Result<Imported, Refusal> {
    import_with(source, Vec::new(), options)
}

/// Reads a model whose graph lacks its weights, with these in their places.
///
/// # Errors
/// A [`Refusal`] with what stands in the way and what would help.
pub fn import_with(
    source: Arc<ByteSource>,
    weights: Vec<proto::Tensor>,
    options: &ImportOptions,
) -> std::result::Result<Imported, Refusal> {
    let mut model = proto::read(&source)?;
    if let Some(graph) = &mut model.graph {
        graph.initializers.extend(weights);
    }
    let Some(main) = &model.graph else {
        return Err(Refusal::new(
            "it is damaged or not an ONNX model; give a .onnx file, or another copy of this one",
        ));
    };
    let opset = lower::standard_opset(&model.opsets)?;
    let target = input::choose_output(main, options)?;
    let mut assumptions = Vec::new();
    let nearest = opset.clamp(*OPERATOR_SETS.start(), *OPERATOR_SETS.end());
    if nearest != opset {
        let what = format!("operator set {opset} means what {nearest} does");
        Assumption::note(&mut assumptions, what, &format!("export with opset_version={nearest}"));
    }
    let input = input::choose(main, &target, options, &mut assumptions)?;
    let lowered = lower::lower(source, &model, &input, &target).map_err(|refusal| {
        // What does not fit together may be the size's fault, and not the node's.
        match assumptions.iter().find(|assumption| assumption.option == "--input-size") {
            Some(Assumption { what, option }) => {
                Refusal(format!("{refusal}; assumed was {what}: try another with {option}"))
            }
            None => refusal,
        }
    })?;
    let mut graph = lowered.graph;
    if !head::has_gradient(&graph) {
        return Err(Refusal(format!(
            "its output \"{}\" is computed from the picture by comparing or rounding and has no gradient; take an earlier one with --output {}",
            target.escape_debug(),
            main.nodes
                .iter()
                .find(|n| n.outputs.contains(&target))
                .and_then(|n| n.inputs.first())
                .map_or_else(|| "NAME".to_owned(), |name| name.escape_debug().to_string())
        )));
    }
    let scores = head::cut(&mut graph);
    patterns::apply(&mut graph);
    layout::apply(&mut graph, &input);
    patterns::apply(&mut graph);
    batch::apply(&mut graph);
    patterns::apply(&mut graph);
    names::apply(&mut graph);
    let outputs = main.outputs.iter().map(|info| info.name.clone()).collect();
    let labels = labels::find(&model.metadata);
    let producer = model.producer.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    Ok(Imported {
        graph,
        input,
        scores,
        outputs,
        labels,
        metadata: model.metadata,
        producer,
        opset,
        weight_bits: lowered.weight_bits,
        assumptions,
    })
}
