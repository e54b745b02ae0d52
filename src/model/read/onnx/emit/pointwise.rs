//! Functions of single elements.

use super::super::Refusal;
use super::super::ir::Node;
use super::super::op::{Binary, Unary};
use super::Emitter;
use crate::graph::{NodeId, ops};
use crate::kernels::{self, Function, Side};

/// The arithmetic of a function, where it has a name of its own.
fn function(unary: Unary) -> Option<Function> {
    Some(match unary {
        Unary::Relu => Function::Clip { low: 0.0, high: f32::INFINITY },
        Unary::LeakyRelu(alpha) => Function::LeakyRelu { alpha },
        Unary::Elu(alpha) => Function::Elu { alpha },
        Unary::Selu { alpha, gamma } => Function::Selu { alpha, gamma },
        Unary::Celu(alpha) => Function::Celu { alpha },
        Unary::Clip { min, max } => Function::Clip { low: min, high: max },
        Unary::Sigmoid => Function::Sigmoid,
        Unary::HardSigmoid { alpha, beta } => Function::HardSigmoid { alpha, beta },
        Unary::HardSwish => Function::HardSwish,
        Unary::Silu { beta } => Function::Silu { beta },
        Unary::Mish => Function::Mish,
        Unary::Gelu { tanh: false } => Function::Gelu,
        Unary::Gelu { tanh: true } => Function::GeluTanh,
        Unary::Tanh => Function::Tanh,
        Unary::Softplus => Function::Softplus,
        Unary::Softsign => Function::Softsign,
        Unary::Erf => Function::Erf,
        Unary::Exp => Function::Exp,
        Unary::Log => Function::Log,
        Unary::Sqrt => Function::Sqrt,
        Unary::Reciprocal => Function::Reciprocal,
        Unary::Abs => Function::Abs,
        Unary::Neg => Function::Neg,
        Unary::Sin => Function::Sin,
        Unary::Cos => Function::Cos,
        Unary::Sign => Function::Sign,
        Unary::Floor => Function::Floor,
        Unary::Ceil => Function::Ceil,
        Unary::Round => Function::Round,
        Unary::ThresholdedRelu(_) | Unary::Not => return None,
    })
}

impl Emitter<'_> {
    pub(super) fn unary(&mut self, node: &Node, unary: Unary) -> Result<NodeId, Refusal> {
        let (low, high) = match unary {
            Unary::Relu => (0.0, f32::INFINITY),
            Unary::Clip { min, max } => (min, max),
            _ => (f32::NAN, f32::NAN),
        };
        if let Some(rectifier) = ops::Rectifier::between(low, high) {
            return self.put(rectifier, node);
        }
        let function = function(unary).ok_or_else(|| Refusal::new("this function is not known"))?;
        self.put(ops::Elementwise::new(function), node)
    }

    pub(super) fn parametric_relu(&mut self, node: &Node) -> Result<NodeId, Refusal> {
        let slope = self.due(node, 1)?.flatten_all().map_err(Refusal::new)?;
        let shape = self.input_shape(node);
        if slope.elem_count() == 1 {
            let slope = slope.to_vec1::<f32>().map_err(Refusal::new)?;
            return self.put_on_first(ops::Elementwise::new(Function::LeakyRelu { alpha: slope[0] }), node);
        }
        if shape.get(1) != Some(&slope.elem_count()) {
            return Err(Refusal(format!(
                "{} slopes for a value of shape {shape:?} are not one a channel",
                slope.elem_count()
            )));
        }
        let op = ops::ParametricRelu::new(&slope, 1).map_err(Refusal::new)?;
        self.put_on_first(op, node)
    }

    /// A constant on one side becomes part of the operator.
    pub(super) fn binary(&mut self, node: &Node, binary: Binary) -> Result<NodeId, Refusal> {
        let binary = match binary {
            Binary::Add => kernels::Binary::Add,
            Binary::Sub => kernels::Binary::Sub,
            Binary::Mul => kernels::Binary::Mul,
            Binary::Div => kernels::Binary::Div,
            Binary::Pow => kernels::Binary::Pow,
            Binary::Min => kernels::Binary::Min,
            Binary::Max => kernels::Binary::Max,
            _ => return Err(Refusal::new("it is known for constants only")),
        };
        let [left, right] = node.inputs[..] else { return Err(Refusal::new("it takes two inputs")) };
        let constant = |value| self.layers.constant(value).map(|c| self.tensor(c)).transpose();
        let (side, constant, value) = match (constant(left)?, constant(right)?) {
            (Some(constant), None) => (Side::Left, constant, right),
            (None, Some(constant)) => (Side::Right, constant, left),
            _ => return self.put(ops::Binary::new(binary), node),
        };
        let op = ops::Binary::with_constant(binary, constant, side);
        let value = self.node(value)?;
        self.graph.add(op, &[value]).map_err(Refusal::new)
    }

    pub(super) fn select(&mut self, node: &Node) -> Result<NodeId, Refusal> {
        let select = ops::Select::new(&self.due(node, 0)?).map_err(Refusal::new)?;
        let inputs = node.inputs[1..].iter().map(|input| self.node(*input)).collect::<Result<Vec<_>, _>>()?;
        self.graph.add(select, &inputs).map_err(Refusal::new)
    }
}
