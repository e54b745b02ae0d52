//! Reductions and softmax.

use super::call::{Call, Lowers, axes, axis};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::op::{Op, Reduction};

/// A reduction over some axes, given as an attribute up to opset 12 or 17, as an input since.
pub fn reduce(call: &mut Call) -> Lowers {
    let kind = match call.node.op.as_str() {
        "ReduceMean" => Reduction::Mean,
        "ReduceSum" => Reduction::Sum,
        "ReduceMax" => Reduction::Max,
        "ReduceMin" => Reduction::Min,
        "ReduceProd" => Reduction::Prod,
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceSumSquare" => Reduction::SumSquare,
        "ReduceLogSum" => Reduction::LogSum,
        "ReduceLogSumExp" => Reduction::LogSumExp,
        other => return Err(Refusal(format!("{other} is no reduction"))),
    };
    let x = call.input(0)?;
    let shape = call.shape(x);
    let list = call.list("axes", 1)?.unwrap_or_default();
    if list.is_empty() && call.int("noop_with_empty_axes", 0) != 0 {
        return Ok(vec![x]);
    }
    let axes = if list.is_empty() { (0..shape.len()).collect() } else { axes(&list, shape.len())? };
    let keep = call.int("keepdims", 1) != 0;
    let mut out = Vec::with_capacity(shape.len());
    for (i, extent) in shape.iter().enumerate() {
        match axes.contains(&i) {
            true if keep => out.push(1),
            true => {}
            false => out.push(*extent),
        }
    }
    Ok(vec![call.emit(Op::Reduce { kind, axes, keep }, vec![x], out)?])
}

/// Softmax or its logarithm. Up to opset 12 it is over all axes from one on, taken together.
pub fn softmax(call: &mut Call) -> Lowers {
    let log = call.node.op == "LogSoftmax";
    let x = call.input(0)?;
    let shape = call.shape(x);
    if shape.is_empty() {
        return Err(Refusal::new("it is of a single number"));
    }
    if call.opset >= 13 {
        let axis = axis(call.int("axis", -1), shape.len())?;
        return Ok(vec![call.emit(Op::Softmax { axis, log }, vec![x], shape)?]);
    }
    let first = axis(call.int("axis", 1).min(shape.len() as i64 - 1), shape.len())?;
    let long: Vec<usize> = (first..shape.len()).filter(|i| shape[*i] > 1).collect();
    if long.len() <= 1 {
        let axis = long.first().copied().unwrap_or(first);
        return Ok(vec![call.emit(Op::Softmax { axis, log }, vec![x], shape)?]);
    }
    let rows = shape[..first].iter().product();
    let columns = shape[first..].iter().product();
    let flat = call.reshape(x, vec![rows, columns])?;
    let out = call.emit(Op::Softmax { axis: 1, log }, vec![flat], vec![rows, columns])?;
    Ok(vec![call.reshape(out, shape)?])
}
