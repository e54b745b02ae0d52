//! Numbers kept as integers with a scale (the QDQ format): weights become numbers again, computed values are held to what
//! their integers could say.

use super::call::{Call, Lowers, axis, depends};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op, Unary};

/// (x − zero point) · scale.
pub fn dequantize(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let (scale, zero) = scale_and_zero(call)?;
    let shape = call.shape(x);
    let Some(constant) = call.constant(x) else {
        if x == call.lowering.graph.input && call.lowering.bytes {
            return picture(call, x, &scale, &zero);
        }
        // Its quantisation has left it as the number that it stands for.
        return Ok(vec![x]);
    };
    let inner = inner(call, &shape, scale.len())?;
    call.lowering.spend(4 * constant.len() as u64)?;
    let integers = constant.affordable()?.to_ints()?;
    let number = |(i, v): (usize, &i64)| {
        let c = i / inner.max(1) % scale.len();
        (*v - zero[c % zero.len()]) as f32 * scale[c]
    };
    let numbers: Vec<f32> = integers.iter().enumerate().map(number).collect();
    Ok(vec![call.add(Constant::floats(shape, numbers))])
}

/// How many numbers follow each other with the same scale.
fn inner(call: &Call, shape: &[usize], scales: usize) -> Result<usize, Refusal> {
    if call.int("block_size", 0) != 0 {
        return Err(Refusal::new("its weights have a scale a block, which is not supported; use one a channel"));
    }
    if scales == 1 {
        return Ok(shape.iter().product());
    }
    // A bias has one axis only, and the default is the second.
    let axis = if shape.len() == 1 { 0 } else { axis(call.int("axis", 1), shape.len())? };
    if shape[axis] != scales {
        return Err(Refusal(format!("{scales} scales do not fit axis {axis} of {shape:?}")));
    }
    Ok(shape[axis + 1..].iter().product())
}

/// A picture of bytes that the file itself makes numbers of.
fn picture(call: &mut Call, x: ValueId, scale: &[f32], zero: &[i64]) -> Lowers {
    let ([scale], [zero]) = (scale, zero) else { return Err(depends("scales")) };
    let shape = call.shape(x);
    let mut out = x;
    for (op, by) in [(Binary::Sub, *zero as f32), (Binary::Mul, *scale)] {
        let by = call.add(Constant::filled(Vec::new(), by));
        out = call.emit(Op::Binary(op), vec![out, by], shape.clone())?;
    }
    Ok(vec![out])
}

/// Held to the range of its integers. Rounding has no gradient and is left away, as in training with quantisation.
pub fn quantize(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let (scale, zero) = scale_and_zero(call)?;
    let range = call.optional(2).and_then(|id| call.constant(id)).and_then(|c| c.integer_range());
    let (low, high) = range.unwrap_or((0, 255));
    let shape = call.shape(x);
    if let Some(constant) = call.constant(x) {
        let inner = inner(call, &shape, scale.len())?;
        call.lowering.spend(8 * constant.len() as u64)?;
        let integer = |(i, v): (usize, &f32)| {
            let c = i / inner.max(1) % scale.len();
            ((v / scale[c]).round_ties_even() as i64).saturating_add(zero[c % zero.len()]).clamp(low, high)
        };
        let integers: Vec<i64> = constant.affordable()?.to_floats()?.iter().enumerate().map(integer).collect();
        return Ok(vec![call.add(Constant::ints(shape, Element::Int, integers))]);
    }
    let ([scale], [zero]) = (scale.as_slice(), zero.as_slice()) else {
        return Err(Refusal::new("it has a scale a channel on computed values, which is not supported"));
    };
    let bound = |n: i64| n.saturating_sub(*zero) as f32 * scale;
    let clip = Unary::Clip { min: bound(low), max: bound(high) };
    // The result is a number, not an integer: what reads it has to be a DequantizeLinear.
    Ok(vec![call.emit_as(Op::Unary(clip), vec![x], shape, Element::Float)?])
}

fn scale_and_zero(call: &Call) -> Result<(Vec<f32>, Vec<i64>), Refusal> {
    let scale = call.known_floats(call.input(1)?, "scales")?;
    let zero = match call.optional(2) {
        Some(id) => call.known_ints(id, "zero points")?,
        None => vec![0],
    };
    if scale.is_empty() || !(zero.len() == 1 || zero.len() == scale.len()) {
        return Err(Refusal(format!("{} scales and {} zero points do not fit", scale.len(), zero.len())));
    }
    Ok((scale, zero))
}
