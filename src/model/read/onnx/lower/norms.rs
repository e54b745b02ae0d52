//! Normalisation.

use super::call::{Call, Lowers, axes, axis, broadcast};
use super::movement::to_shape;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::Constant;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op};

/// Batch normalisation. In training mode, with the one picture that there is, it is normalisation of each channel.
pub fn batch(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let c = *shape.get(1).ok_or_else(|| Refusal(format!("it works on a value of shape {shape:?}")))?;
    let epsilon = call.float("epsilon", 1e-5);
    let scale = call.weight(1, "scale", &[c])?;
    let bias = call.weight(2, "bias", &[c])?;
    if shape[0] == 1 && call.int("training_mode", 0) != 0 {
        return Ok(vec![call.emit(Op::InstanceNorm { epsilon }, vec![x, scale, bias], shape)?]);
    }
    let mean = call.weight(3, "mean", &[c])?;
    let variance = call.weight(4, "variance", &[c])?;
    if shape[0] != 1 && call.constant(x).is_none() {
        return rows(call, x, [scale, bias, mean, variance], epsilon);
    }
    Ok(vec![call.emit(Op::BatchNorm { epsilon }, vec![x, scale, bias, mean, variance], shape)?])
}

/// Batch normalisation of something that is not a picture each, as its own arithmetic.
fn rows(call: &mut Call, x: ValueId, parameters: [ValueId; 4], epsilon: f32) -> Lowers {
    let shape = call.shape(x);
    let mut laid = vec![1; shape.len() - 1];
    laid[0] = shape[1];
    let [gamma, beta, mean, variance] = parameters.map(|id| call.known_floats(id, "statistics"));
    let (gamma, beta, mean, variance) = (gamma?, beta?, mean?, variance?);
    let deviation = |v: f32| (f64::from(v) + f64::from(epsilon)).sqrt();
    let scale: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| (f64::from(*g) / deviation(*v)) as f32).collect();
    let shift: Vec<f32> = beta.iter().zip(mean.iter().zip(&scale)).map(|(b, (m, s))| b - m * s).collect();
    let (scale, shift) = (Constant::floats(laid.clone(), scale), Constant::floats(laid, shift));
    let (scale, shift) = (call.add(scale), call.add(shift));
    let scaled = call.emit(Op::Binary(Binary::Mul), vec![x, scale], shape.clone())?;
    Ok(vec![call.emit(Op::Binary(Binary::Add), vec![scaled, shift], shape)?])
}

/// Instance normalisation.
pub fn instance(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let (shape, c) = channels(call, x)?;
    let epsilon = call.float("epsilon", 1e-5);
    let inputs = vec![x, call.weight(1, "scale", &[c])?, call.weight(2, "bias", &[c])?];
    Ok(vec![call.emit(Op::InstanceNorm { epsilon }, inputs, shape)?])
}

/// Group normalisation; up to opset 20 scale and bias are one a group.
pub fn group(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let (shape, c) = channels(call, x)?;
    let groups = usize::try_from(call.int("num_groups", 1)).unwrap_or(0);
    if groups == 0 || !c.is_multiple_of(groups) {
        return Err(Refusal(format!("{c} channels do not divide into {groups} groups")));
    }
    let mut inputs = vec![x];
    for (i, what) in [(1, "scale"), (2, "bias")] {
        let given = call.input(i)?;
        if call.shape(given) == [groups] && groups != c {
            let numbers = call.known_floats(given, what)?;
            let spread: Vec<f32> = numbers.iter().flat_map(|v| std::iter::repeat_n(*v, c / groups)).collect();
            inputs.push(call.add(Constant::floats(vec![c], spread)));
        } else {
            inputs.push(call.weight(i, what, &[c])?);
        }
    }
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.emit(Op::GroupNorm { groups, epsilon }, inputs, shape)?])
}

/// Layer normalisation over the axes from `axis` on.
pub fn layer(call: &mut Call) -> Lowers {
    let (inputs, axes, shape) = trailing(call)?;
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.emit(Op::LayerNorm { axes, epsilon }, inputs, shape)?])
}

/// The same without a mean.
pub fn rms(call: &mut Call) -> Lowers {
    let (mut inputs, axes, shape) = trailing(call)?;
    inputs.truncate(2);
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.emit(Op::RmsNorm { axes, epsilon }, inputs, shape)?])
}

/// A value with scale and bias, the axes that are normalised, and its shape.
type Trailing = (Vec<ValueId>, Vec<usize>, Vec<usize>);

/// The value with its scale and bias, which have the extents of the axes that are normalised; those axes; the shape.
fn trailing(call: &mut Call) -> Result<Trailing, Refusal> {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let first = axis(call.int("axis", -1), shape.len())?;
    let mut inputs = vec![x];
    for (i, what) in [(1, "scale"), (2, "bias")] {
        let Some(id) = call.optional(i) else { continue };
        let given = call.shape(id);
        let fits = call.constant(id).is_some() && broadcast(&shape[first..], &given)? == shape[first..];
        if !fits {
            return Err(Refusal(format!("its {what} {given:?} does not fit {shape:?}")));
        }
        inputs.push(to_shape(call, id, shape[first..].to_vec())?);
    }
    Ok((inputs, (first..shape.len()).collect(), shape))
}

/// Normalisation over neighbouring channels.
pub fn local_response(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let (shape, _) = channels(call, x)?;
    let size = usize::try_from(call.int("size", 0)).ok().filter(|n| (1..1 << 16).contains(n));
    let Some(size) = size else { return Err(Refusal::new("it has no size")) };
    let op = Op::Lrn {
        size,
        alpha: call.float("alpha", 1e-4),
        beta: call.float("beta", 0.75),
        bias: call.float("bias", 1.0),
    };
    Ok(vec![call.emit(op, vec![x], shape)?])
}

/// Division by a norm along an axis.
pub fn lp(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let axis = axes(&[call.int("axis", -1)], shape.len())?[0];
    let p = call.int("p", 2);
    if !matches!(p, 1 | 2) {
        return Err(Refusal(format!("its norm has p = {p}, and 1 and 2 are understood")));
    }
    Ok(vec![call.emit(Op::LpNorm { axis, p }, vec![x], shape)?])
}

fn channels(call: &Call, x: ValueId) -> Result<(Vec<usize>, usize), Refusal> {
    let shape = call.shape(x);
    match shape.get(1) {
        Some(c) if shape[0] == 1 => Ok((shape.clone(), *c)),
        _ => Err(Refusal(format!("it works on a value of shape {shape:?}, and [1, C, …] is understood"))),
    }
}
