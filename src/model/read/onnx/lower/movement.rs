//! Operators that move numbers without changing them.

use super::call::{Call, Lowers, axes, axis, broadcast};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op, Unary};

/// Identity, and dropout, which does nothing in evaluation mode.
pub fn same(call: &mut Call) -> Lowers {
    Ok(vec![call.input(0)?])
}

/// A change of type: nothing between floating types, which are all computed in float32.
pub fn cast(call: &mut Call) -> Lowers {
    let to = Element::of(i32::try_from(call.int("to", 0)).unwrap_or(0));
    let to = to.ok_or_else(|| Refusal::new("it makes something else of numbers"))?;
    convert(call, to)
}

/// A change to the type of another value.
pub fn cast_like(call: &mut Call) -> Lowers {
    let like = call.input(1)?;
    let to = call.element(like);
    convert(call, to)
}

fn convert(call: &mut Call, to: Element) -> Lowers {
    let x = call.input(0)?;
    let from = call.element(x);
    if from == to {
        return Ok(vec![x]);
    }
    let Some(constant) = call.constant(x) else {
        return match (from, to) {
            (Element::Int | Element::Bool, Element::Float | Element::Int) => Ok(vec![x]),
            // True is what is not 0.
            (_, Element::Bool) => {
                let (zero, shape) = (call.add(Constant::filled(Vec::new(), 0.0)), call.shape(x));
                let none = call.emit_as(Op::Binary(Binary::Equal), vec![x, zero], shape.clone(), Element::Bool)?;
                Ok(vec![call.emit_as(Op::Unary(Unary::Not), vec![none], shape, Element::Bool)?])
            }
            _ => Err(Refusal::new(
                "it rounds computed values, which has no gradient; take what goes into it with --output {before}",
            )),
        };
    };
    Ok(vec![call.add(converted(&constant, to)?)])
}

/// A constant's elements as another type.
pub fn converted(constant: &Constant, to: Element) -> Result<Constant, Refusal> {
    let shape = constant.shape.clone();
    if let Some(value) = constant.filling() {
        return Ok(match to {
            Element::Float => Constant::filled(shape, value),
            Element::Int => Constant::filled_int(shape, to, value as i64),
            Element::Bool => Constant::filled_int(shape, to, i64::from(value != 0.0)),
        });
    }
    Ok(match (constant.element, to) {
        (_, Element::Float) => Constant::floats(shape, constant.to_floats()?.into_owned()),
        (_, Element::Int) => Constant::ints(shape, to, constant.to_ints()?.into_owned()),
        (Element::Float, Element::Bool) => {
            let truths: Vec<i64> = constant.to_floats()?.iter().map(|v| i64::from(*v != 0.0)).collect();
            Constant::ints(shape, to, truths)
        }
        (_, Element::Bool) => {
            let truths: Vec<i64> = constant.to_ints()?.iter().map(|v| i64::from(*v != 0)).collect();
            Constant::ints(shape, to, truths)
        }
    })
}

/// Another shape: 0 keeps an extent, −1 is worked out.
pub fn reshape(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let wanted = call.list("shape", 1)?.ok_or_else(|| Refusal::new("it has no shape"))?;
    let from = call.shape(x);
    let keeps_zero = call.int("allowzero", 0) != 0;
    let mut shape = Vec::with_capacity(wanted.len());
    for (i, extent) in wanted.iter().enumerate() {
        shape.push(match extent {
            0 if !keeps_zero => *from.get(i).ok_or_else(|| Refusal(format!("{from:?} cannot become {wanted:?}")))?,
            -1 => 1,
            n => usize::try_from(*n).map_err(|_| Refusal(format!("it has an extent of {n}")))?,
        });
    }
    if let Some(i) = wanted.iter().position(|n| *n == -1) {
        let total: usize = from.iter().product();
        let rest = crate::model::read::onnx::stored::count(&shape)?;
        shape[i] = total.checked_div(rest).unwrap_or(0);
    }
    Ok(vec![call.reshape(x, shape)?])
}

/// Two axes.
pub fn flatten(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let at = match call.int("axis", 1) {
        n if n == shape.len() as i64 => shape.len(),
        n => axis(n, shape.len())?,
    };
    let (rows, columns) = (shape[..at].iter().product(), shape[at..].iter().product());
    Ok(vec![call.reshape(x, vec![rows, columns])?])
}

/// Without axes of extent 1: those named, or all.
pub fn squeeze(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let dropped = match call.list("axes", 1)? {
        Some(list) => axes(&list, shape.len())?,
        None => (0..shape.len()).filter(|i| shape[*i] == 1).collect(),
    };
    if let Some(i) = dropped.iter().find(|i| shape[**i] != 1) {
        return Err(Refusal(format!("it drops axis {i} of {shape:?}")));
    }
    let kept = (0..shape.len()).filter(|i| !dropped.contains(i)).map(|i| shape[i]).collect();
    Ok(vec![call.reshape(x, kept)?])
}

/// With new axes of extent 1, counted in the result.
pub fn unsqueeze(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let list = call.list("axes", 1)?.ok_or_else(|| Refusal::new("it has no axes"))?;
    let from = call.shape(x);
    let new = axes(&list, from.len() + list.len())?;
    let mut rest = from.into_iter();
    let shape = (0..rest.len() + new.len()).map(|i| if new.contains(&i) { 1 } else { rest.next().unwrap_or(1) });
    let shape = shape.collect();
    Ok(vec![call.reshape(x, shape)?])
}

/// Axes in another order; in the opposite one if none is given.
pub fn transpose(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let rank = call.shape(x).len();
    let perm = match call.ints("perm") {
        None => (0..rank).rev().collect(),
        Some(list) => {
            if axes(&list, rank)?.len() != rank {
                return Err(Refusal(format!("it has an order of {} axes for {rank}", list.len())));
            }
            list.iter().map(|a| axis(*a, rank)).collect::<Result<_, _>>()?
        }
    };
    Ok(vec![call.transpose(x, perm)?])
}

/// Values behind each other. What is empty is left out.
pub fn concat(call: &mut Call) -> Lowers {
    let first = call.input(0)?;
    let mut parts = Vec::new();
    for i in 0..call.inputs.len() {
        let part = call.input(i)?;
        if !call.shape(part).contains(&0) {
            parts.push(part);
        }
    }
    let Some(one) = parts.first().copied() else { return Ok(vec![first]) };
    let mut shape = call.shape(one);
    let axis = axis(call.int("axis", 1), shape.len())?;
    for part in &parts[1..] {
        let other = call.shape(*part);
        let fits = other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]);
        if !fits {
            return Err(Refusal(format!("{shape:?} and {other:?} do not fit behind each other along axis {axis}")));
        }
        shape[axis] += other[axis];
    }
    if parts.len() == 1 {
        return Ok(vec![one]);
    }
    Ok(vec![call.emit(Op::Concat { axis }, parts, shape)?])
}

/// A value repeated along axes of extent 1.
pub fn expand(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let given = call.input(1)?;
    let wanted = call.known_ints(given, "extents")?;
    let wanted: Vec<usize> = wanted.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
    let shape = broadcast(&call.shape(x), &wanted)?;
    to_shape(call, x, shape).map(|id| vec![id])
}

/// A value broadcast to a shape.
pub fn to_shape(call: &mut Call, x: ValueId, shape: Vec<usize>) -> Result<ValueId, Refusal> {
    let from = call.shape(x);
    if from.iter().product::<usize>() == crate::model::read::onnx::stored::count(&shape)? {
        return call.reshape(x, shape);
    }
    call.emit(Op::Expand, vec![x], shape)
}

/// A value repeated.
pub fn tile(call: &mut Call) -> Lowers {
    let (x, given) = (call.input(0)?, call.input(1)?);
    let repeats = call.known_ints(given, "repeats")?;
    let shape = call.shape(x);
    if repeats.len() != shape.len() {
        return Err(Refusal(format!("{} repeats do not fit {shape:?}", repeats.len())));
    }
    let repeats = repeats.iter().map(|n| usize::try_from(*n).unwrap_or(0));
    let tiled: Vec<usize> = shape.iter().zip(repeats).map(|(extent, n)| extent.saturating_mul(n)).collect();
    if tiled == shape {
        return Ok(vec![x]);
    }
    Ok(vec![call.emit(Op::Tile, vec![x], tiled)?])
}

/// Channels to places.
pub fn depth_to_space(call: &mut Call) -> Lowers {
    let (x, shape, block) = blocks(call)?;
    let crd = is_column_row_depth(call);
    if !shape[1].is_multiple_of(block * block) {
        return Err(Refusal(format!("{} channels do not divide into blocks of {block}×{block}", shape[1])));
    }
    let out = vec![shape[0], shape[1] / (block * block), shape[2] * block, shape[3] * block];
    Ok(vec![call.emit(Op::DepthToSpace { block, crd }, vec![x], out)?])
}

/// Places to channels.
pub fn space_to_depth(call: &mut Call) -> Lowers {
    let (x, shape, block) = blocks(call)?;
    if !shape[2].is_multiple_of(block) || !shape[3].is_multiple_of(block) {
        return Err(Refusal(format!("a map of {}×{} does not divide into blocks of {block}", shape[2], shape[3])));
    }
    let out = vec![shape[0], shape[1] * block * block, shape[2] / block, shape[3] / block];
    Ok(vec![call.emit(Op::SpaceToDepth { block, crd: is_column_row_depth(call) }, vec![x], out)?])
}

fn is_column_row_depth(call: &Call) -> bool {
    call.text("mode", "DCR") == "CRD"
}

fn blocks(call: &Call) -> Result<(ValueId, Vec<usize>, usize), Refusal> {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let block = usize::try_from(call.int("blocksize", 0)).ok().filter(|n| (1..1 << 12).contains(n));
    match block {
        Some(block) if shape.len() == 4 && shape[0] == 1 => Ok((x, shape, block)),
        Some(_) => Err(Refusal(format!("it works on a value of shape {shape:?}, and [1, C, H, W] is understood"))),
        None => Err(Refusal::new("it has no blocks")),
    }
}
