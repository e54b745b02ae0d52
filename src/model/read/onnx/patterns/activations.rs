//! Rectifiers that the file writes as arithmetic: x · sigmoid(x), x · clip(x + 3, 0, 6) / 6, ½ · x · (1 + erf(x / √2)).
//!
//! Exporters and libraries write each of them in many ways. So what is recognised is the function, not the writing: a
//! part of the graph that makes one value of one value, element by element and with constant numbers only, is computed
//! at many places and compared with the functions that have names.

use super::rewriting::Rewriting;
use crate::model::read::onnx::constant::Constant;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op, Unary};
use std::collections::HashMap;

/// The most nodes that a function is written with.
const MOST_NODES: usize = 16;
/// Where functions are compared first: no two of those that have names are near each other here.
const FIRST_PLACE: f64 = -0.713;
/// How far an exporter's rounded constants may lead off, relative to the function's size.
const TOLERANCE: f64 = 2e-6;

/// The functions that have names.
const KNOWN: [Unary; 13] = [
    Unary::Silu { beta: 1.0 },
    Unary::Silu { beta: 1.702 },
    Unary::HardSwish,
    Unary::Gelu { tanh: false },
    Unary::Gelu { tanh: true },
    Unary::Mish,
    Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
    Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
    Unary::Softplus,
    Unary::Sigmoid,
    Unary::Relu,
    Unary::Abs,
    Unary::Softsign,
];

/// Gives the largest part of the graph that ends here the name of the function that it is.
pub fn recognise(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Binary(_) | Op::Unary(Unary::Clip { .. } | Unary::Log | Unary::Reciprocal)) {
        return false;
    }
    let out = graph.output(i);
    let mut part = Part { nodes: vec![i], open: Vec::new() };
    part.open_inputs(graph, i);
    let mut best = None;
    while part.nodes.len() <= MOST_NODES {
        if let [x] = part.open[..]
            && part.nodes.len() > 1
            && graph.shape(x) == graph.shape(out)
            && let Some(function) = part.known(graph, x, out)
        {
            best = Some((x, function));
        }
        if !part.grow(graph) {
            break;
        }
    }
    match best {
        Some((x, function)) => graph.replace(i, Op::Unary(function), vec![x]),
        None => false,
    }
}

/// relu(x) + slope · relu(−x), as Keras' exporter writes slopes that differ from channel to channel.
pub fn parametric(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Binary(Binary::Add)) {
        return false;
    }
    let is_relu = |op: &Op| matches!(op, Op::Unary(Unary::Relu));
    let found = graph.either_way(i).into_iter().find_map(|(above, below)| {
        let x = graph.input(graph.made_by(above, is_relu)?, 0);
        let m = graph.made_by(below, |op| matches!(op, Op::Binary(Binary::Mul)))?;
        let (negative, slope) = graph.either_way(m).into_iter().find(|(_, s)| graph.constant(*s).is_some())?;
        let n = graph.made_by(negative, is_relu)?;
        let flipped = graph.made_by(graph.input(n, 0), |op| matches!(op, Op::Unary(Unary::Neg)))?;
        (graph.input(flipped, 0) == x).then_some((x, slope))
    });
    let Some((x, slope)) = found else { return false };
    let Some(Ok(slopes)) =
        graph.constant(slope).map(|c| c.to_floats().map(|v| v.iter().map(|s| -s).collect::<Vec<_>>()))
    else {
        return false;
    };
    let shape = graph.shape(slope).to_vec();
    let slope = graph.graph.add_constant(Constant::floats(shape, slopes));
    graph.replace(i, Op::PRelu, vec![x, slope])
}

/// Nodes that are taken together, the last one first, and the values that they read from elsewhere.
struct Part {
    nodes: Vec<usize>,
    open: Vec<ValueId>,
}

impl Part {
    fn open_inputs(&mut self, graph: &Rewriting, i: usize) {
        for id in graph.inputs(i) {
            if graph.constant(id).is_none() && !self.open.contains(&id) {
                self.open.push(id);
            }
        }
    }

    /// Takes in the latest of the nodes that the part reads from; whether there was one that may be.
    fn grow(&mut self, graph: &Rewriting) -> bool {
        let latest = self.open.iter().filter_map(|id| Some((graph.producer(*id)?, *id))).max();
        let Some((j, id)) = latest.filter(|(j, _)| is_number_function(graph, *j)) else { return false };
        self.open.retain(|open| *open != id);
        self.nodes.push(j);
        self.open_inputs(graph, j);
        true
    }

    /// The function that the part is of x, if it has a name.
    fn known(&self, graph: &Rewriting, x: ValueId, out: ValueId) -> Option<Unary> {
        let close = |found: f64, wanted: f64| (found - wanted).abs() <= TOLERANCE * (1.0 + wanted.abs());
        // One place tells nearly all functions apart.
        let first = self.value(graph, x, out, FIRST_PLACE)?;
        let function = KNOWN.into_iter().find(|known| close(first, known.apply(FIRST_PLACE)))?;
        let places = (-40..=40).map(|n| f64::from(n) * 0.23 + 0.003).chain([-60.0, -30.0, 30.0, 60.0]);
        let same = |at: f64| self.value(graph, x, out, at).is_some_and(|found| close(found, function.apply(at)));
        places.into_iter().all(same).then_some(function)
    }

    fn value(&self, graph: &Rewriting, x: ValueId, out: ValueId, at: f64) -> Option<f64> {
        let mut values = HashMap::from([(x, at)]);
        for i in self.nodes.iter().rev() {
            let numbers = graph.inputs(*i).into_iter().map(|id| match values.get(&id) {
                Some(value) => Some(*value),
                None => number(graph, id),
            });
            let numbers: Vec<f64> = numbers.collect::<Option<_>>()?;
            let value = match graph.op(*i) {
                Op::Unary(function) => function.apply(numbers[0]),
                Op::Binary(function) => function.apply(numbers[0], numbers[1]),
                _ => return None,
            };
            values.insert(graph.output(*i), value);
        }
        values.get(&out).copied()
    }
}

/// A constant that is one number.
fn number(graph: &Rewriting, id: ValueId) -> Option<f64> {
    let constant = graph.constant(id)?;
    constant.filling().or_else(|| constant.scalar()).map(f64::from)
}

/// Whether a node computes element by element with constant numbers only.
fn is_number_function(graph: &Rewriting, i: usize) -> bool {
    let inputs = graph.inputs(i);
    let numbers = inputs.iter().all(|id| graph.constant(*id).is_none() || number(graph, *id).is_some());
    match graph.op(i) {
        Op::Unary(_) => true,
        Op::Binary(function) => numbers && function.is_smooth(),
        _ => false,
    }
}
