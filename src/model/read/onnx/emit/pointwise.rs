//! Functions of single elements.

use super::super::Refusal;
use super::super::ir::Node;
use super::super::op::{Binary, Unary};
use super::Emitter;
use crate::graph::{NodeId, ops};
use crate::kernels::{self, Function, Side};
use candle_core::{DType, Tensor};

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
        Unary::Not => return None,
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
        match function(unary) {
            Some(function) => self.put(ops::Elementwise::new(function), node),
            None => {
                let one = Tensor::ones((), DType::F32, self.device).map_err(Refusal::new)?;
                self.put(ops::Binary::with_constant(kernels::Binary::Sub, one, Side::Left), node)
            }
        }
    }

    pub(super) fn parametric_relu(&mut self, node: &Node) -> Result<NodeId, Refusal> {
        let laid = self.due(node, 1)?;
        let slope = laid.flatten_all().map_err(Refusal::new)?;
        let shape = self.input_shape(node);
        if slope.elem_count() == 1 {
            let slope = slope.to_vec1::<f32>().map_err(Refusal::new)?;
            return self.put_on_first(ops::Elementwise::new(Function::LeakyRelu { alpha: slope[0] }), node);
        }
        let ones = vec![1; shape.len().saturating_sub(laid.rank())];
        let along_channels = [&ones, laid.dims()].concat().get(1) == Some(&slope.elem_count());
        if along_channels && matches!(shape.len(), 2 | 4) {
            let op = ops::ParametricRelu::new(&slope, 1).map_err(Refusal::new)?;
            return self.put_on_first(op, node);
        }
        // A slope of its own for every place, as Keras has it: s·x + (1 − s)·max(x, 0), whose derivative at 0 is s.
        let x = self.first(node)?;
        let rest = laid.affine(-1.0, 1.0).map_err(Refusal::new)?;
        let above = ops::Elementwise::new(Function::Clip { low: 0.0, high: f32::INFINITY });
        let above = self.graph.add(above, &[x]).map_err(Refusal::new)?;
        let [sloped, above] = [(laid, x), (rest, above)].map(|(by, of)| {
            let product = ops::Binary::with_constant(kernels::Binary::Mul, by, Side::Right);
            self.graph.add(product, &[of]).map_err(Refusal::new)
        });
        self.graph.add(ops::Binary::new(kernels::Binary::Add), &[sloped?, above?]).map_err(Refusal::new)
    }

    /// A constant on one side becomes part of the operator.
    pub(super) fn binary(&mut self, node: &Node, binary: Binary) -> Result<NodeId, Refusal> {
        let turned = matches!(binary, Binary::Greater | Binary::GreaterOrEqual);
        let binary = match binary {
            Binary::Add => kernels::Binary::Add,
            Binary::Sub => kernels::Binary::Sub,
            // Truth values are 0 and 1.
            Binary::Mul | Binary::And => kernels::Binary::Mul,
            Binary::Div => kernels::Binary::Div,
            Binary::Pow => kernels::Binary::Pow,
            Binary::Min => kernels::Binary::Min,
            Binary::Max | Binary::Or => kernels::Binary::Max,
            Binary::Equal => kernels::Binary::Equal,
            Binary::Less | Binary::Greater => kernels::Binary::Less,
            Binary::LessOrEqual | Binary::GreaterOrEqual => kernels::Binary::LessOrEqual,
            Binary::Mod { .. } | Binary::Xor => return Err(Refusal::new("it is known for constants only")),
        };
        let [mut left, mut right] = node.inputs[..] else { return Err(Refusal::new("it takes two inputs")) };
        if turned {
            (left, right) = (right, left);
        }
        let constant = |value| self.layers.constant(value).map(|c| self.tensor(c)).transpose();
        let (side, constant, value) = match (constant(left)?, constant(right)?) {
            (Some(constant), None) => (Side::Left, constant, right),
            (None, Some(constant)) => (Side::Right, constant, left),
            _ => {
                let inputs = [self.node(left)?, self.node(right)?];
                return self.graph.add(ops::Binary::new(binary), &inputs).map_err(Refusal::new);
            }
        };
        let op = ops::Binary::with_constant(binary, constant, side);
        let value = self.node(value)?;
        self.graph.add(op, &[value]).map_err(Refusal::new)
    }

    pub(super) fn select(&mut self, node: &Node) -> Result<NodeId, Refusal> {
        let [condition, ..] = node.inputs[..] else { return Err(Refusal::new("it takes three inputs")) };
        if self.layers.constant(condition).is_none() {
            return self.put(ops::Select::by_input(), node);
        }
        let select = ops::Select::new(&self.due(node, 0)?).map_err(Refusal::new)?;
        let inputs = node.inputs[1..].iter().map(|input| self.node(*input)).collect::<Result<Vec<_>, _>>()?;
        self.graph.add(select, &inputs).map_err(Refusal::new)
    }
}
