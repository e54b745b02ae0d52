//! Element by element: rectifiers, arithmetic, comparisons.

use super::call::{Call, Lowers, broadcast};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op, Unary};

/// A function of one input.
pub fn unary(call: &mut Call) -> Lowers {
    let alpha = |default| call.float("alpha", default);
    let function = match call.node.op.as_str() {
        "Relu" => Unary::Relu,
        "LeakyRelu" => Unary::LeakyRelu(alpha(0.01)),
        "Elu" => Unary::Elu(alpha(1.0)),
        "Selu" => Unary::Selu { alpha: alpha(1.673_263_2), gamma: call.float("gamma", 1.050_701) },
        "Celu" => Unary::Celu(alpha(1.0)),
        "Sigmoid" => Unary::Sigmoid,
        "HardSigmoid" => Unary::HardSigmoid { alpha: alpha(0.2), beta: call.float("beta", 0.5) },
        "HardSwish" => Unary::HardSwish,
        "Swish" => Unary::Silu { beta: alpha(1.0) },
        "QuickGelu" => Unary::Silu { beta: alpha(1.702) },
        "Mish" => Unary::Mish,
        "Gelu" => Unary::Gelu { tanh: call.text("approximate", "none") == "tanh" },
        "Tanh" => Unary::Tanh,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Abs" => Unary::Abs,
        "Neg" => Unary::Neg,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Sign" => Unary::Sign,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Not" => Unary::Not,
        other => return Err(Refusal(format!("{other} is no function of one input"))),
    };
    let x = call.input(0)?;
    apply(call, function, x).map(|id| vec![id])
}

fn apply(call: &mut Call, function: Unary, x: ValueId) -> Result<ValueId, Refusal> {
    let shape = call.shape(x);
    call.emit(Op::Unary(function), vec![x], shape)
}

/// The first input times the sigmoid of a multiple of itself, times the second.
pub fn gated(call: &mut Call) -> Lowers {
    let (gate, y) = (call.input(0)?, call.input(1)?);
    let gate = apply(call, Unary::Silu { beta: call.float("alpha", 1.0) }, gate)?;
    pair(call, Binary::Mul, gate, y).map(|id| vec![id])
}

/// What lies above a threshold, 0 elsewhere.
pub fn thresholded(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let [threshold, zero] = [call.float("alpha", 1.0), 0.0].map(|v| call.add(Constant::filled(Vec::new(), v)));
    let above = pair(call, Binary::Greater, x, threshold)?;
    selected(call, [above, x, zero]).map(|id| vec![id])
}

/// What is more than λ away from 0, nearer to it by the bias; 0 elsewhere.
pub fn shrink(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let (lambda, bias) = (call.float("lambd", 0.5), call.float("bias", 0.0));
    let [low, high, bias, zero] = [-lambda, lambda, bias, 0.0].map(|v| call.add(Constant::filled(Vec::new(), v)));
    let (below, above) = (pair(call, Binary::Less, x, low)?, pair(call, Binary::Greater, x, high)?);
    let (raised, lowered) = (pair(call, Binary::Add, x, bias)?, pair(call, Binary::Sub, x, bias)?);
    let rest = selected(call, [above, lowered, zero])?;
    selected(call, [below, raised, rest]).map(|id| vec![id])
}

/// Bounds, as attributes up to opset 10, as inputs since.
pub fn clip(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let (low, high) = (call.optional(1), call.optional(2));
    let number = |call: &Call, id: Option<ValueId>, name: &str, open: f32| match id {
        None => Some(call.float(name, open)),
        Some(id) => call.constant(id).and_then(|c| c.scalar()),
    };
    let bounds = number(call, low, "min", f32::NEG_INFINITY).zip(number(call, high, "max", f32::INFINITY));
    if let Some((min, max)) = bounds {
        return apply(call, Unary::Clip { min, max }, x).map(|id| vec![id]);
    }
    // Bounds that are computed, or differ from element to element.
    let mut result = x;
    for (bound, op) in [(low, Binary::Max), (high, Binary::Min)] {
        if let Some(bound) = bound {
            result = pair(call, op, result, bound)?;
        }
    }
    Ok(vec![result])
}

/// A function of two inputs.
pub fn binary(call: &mut Call) -> Lowers {
    let function = match call.node.op.as_str() {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Mod" => Binary::Mod { fmod: call.int("fmod", 0) != 0 },
        "Equal" => Binary::Equal,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessOrEqual,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "And" => Binary::And,
        "Or" => Binary::Or,
        "Xor" => Binary::Xor,
        other => return Err(Refusal(format!("{other} is no function of two inputs"))),
    };
    let (x, mut y) = (call.input(0)?, call.input(1)?);
    // Up to opset 6 the second operand is laid along an axis of the first.
    if call.int("broadcast", 0) != 0 && call.opset < 7 {
        let (rank, mut shape) = (call.shape(x).len(), call.shape(y));
        let at = call.int("axis", rank as i64 - shape.len() as i64).max(0) as usize;
        shape.resize(rank.saturating_sub(at).max(shape.len()), 1);
        y = call.reshape(y, shape)?;
    }
    pair(call, function, x, y).map(|id| vec![id])
}

fn pair(call: &mut Call, function: Binary, x: ValueId, y: ValueId) -> Result<ValueId, Refusal> {
    let shape = broadcast(&call.shape(x), &call.shape(y))?;
    let element = if function.is_logical() { Element::Bool } else { call.element(x) };
    call.emit_as(Op::Binary(function), vec![x, y], shape, element)
}

/// Sum, mean, least or largest of any number of inputs, as a chain of pairs.
pub fn variadic(call: &mut Call) -> Lowers {
    let function = match call.node.op.as_str() {
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        "Sum" | "Mean" => Binary::Add,
        other => return Err(Refusal(format!("{other} is no function of any number of inputs"))),
    };
    let mut result = call.input(0)?;
    let count = call.inputs.len();
    for i in 1..count {
        let next = call.input(i)?;
        result = pair(call, function, result, next)?;
    }
    if call.node.op == "Mean" && count > 1 {
        let share = call.add(Constant::filled(Vec::new(), 1.0 / count as f32));
        result = pair(call, Binary::Mul, result, share)?;
    }
    Ok(vec![result])
}

/// Slopes below zero. One a channel is laid along axis 1, however many axes the file writes.
pub fn prelu(call: &mut Call) -> Lowers {
    let (x, mut slope) = (call.input(0)?, call.input(1)?);
    let (shape, given) = (call.shape(x), call.shape(slope));
    if call.constant(slope).is_none() {
        return Err(super::call::depends("slopes"));
    }
    let of_channels = call.opset < 7 || shape.last() != given.first();
    if given.len() == 1 && shape.len() > 2 && given[0] == shape[1] && of_channels {
        let mut laid = vec![1; shape.len() - 1];
        laid[0] = given[0];
        slope = call.reshape(slope, laid)?;
    }
    if broadcast(&shape, &call.shape(slope))? != shape {
        return Err(Refusal(format!("slopes of shape {given:?} do not fit a value of shape {shape:?}")));
    }
    Ok(vec![call.emit(Op::PRelu, vec![x, slope], shape)?])
}

/// One of two, element by element, where it is known which.
pub fn choose(call: &mut Call) -> Lowers {
    let [condition, x, y] = [call.input(0)?, call.input(1)?, call.input(2)?];
    selected(call, [condition, x, y]).map(|id| vec![id])
}

fn selected(call: &mut Call, [condition, x, y]: [ValueId; 3]) -> Result<ValueId, Refusal> {
    let element = call.element(x);
    let shape = broadcast(&broadcast(&call.shape(condition), &call.shape(x))?, &call.shape(y))?;
    let Some(known) = call.constant(condition) else {
        return call.emit_as(Op::Where, vec![condition, x, y], shape, element);
    };
    let choices = known.affordable()?.to_ints()?;
    let first = choices.first().copied().unwrap_or(0) != 0;
    let chosen = if first { x } else { y };
    if choices.iter().all(|v| (*v != 0) == first) && call.shape(chosen) == shape {
        return Ok(chosen);
    }
    call.emit_as(Op::Where, vec![condition, x, y], shape, element)
}
