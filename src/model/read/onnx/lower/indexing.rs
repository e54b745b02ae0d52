//! Parts of values: slices, pieces, picked elements; and frames around them.

use super::call::{Call, Lowers, axis};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Op, PadMode};
use crate::model::read::onnx::stored::count;

/// Every so many elements from one place to another, given as attributes up to opset 9, as inputs since.
pub fn slice(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let need = |list: Option<Vec<i64>>| list.ok_or_else(|| Refusal::new("it does not say where it starts or ends"));
    let first = need(call.list("starts", 1)?)?;
    let last = need(call.list("ends", 2)?)?;
    let over = call.list("axes", 3)?.unwrap_or_else(|| (0..first.len() as i64).collect());
    let by = call.list("steps", 4)?.unwrap_or_else(|| vec![1; first.len()]);
    if [last.len(), over.len(), by.len()].iter().any(|n| *n != first.len()) {
        return Err(Refusal::new("it starts, ends and steps along different numbers of axes"));
    }
    let (mut starts, mut steps, mut out) = (vec![0; shape.len()], vec![1isize; shape.len()], shape.clone());
    for i in 0..first.len() {
        let a = axis(over[i], shape.len())?;
        let (extent, step) = (shape[a] as i64, by[i]);
        if step == 0 {
            return Err(Refusal::new("it steps by nothing"));
        }
        let from_front = |n: i64| if n < 0 { n.saturating_add(extent) } else { n };
        let (start, end) = (from_front(first[i]), from_front(last[i]));
        let (start, len) = if step > 0 {
            let (start, end) = (start.clamp(0, extent), end.clamp(0, extent));
            (start, (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        } else {
            let (start, end) = (start.clamp(-1, extent - 1), end.clamp(-1, extent - 1));
            (start.max(0), (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        };
        (starts[a], steps[a], out[a]) = (start as usize, step as isize, len as usize);
    }
    if out == shape && steps.iter().all(|s| *s == 1) {
        return Ok(vec![x]);
    }
    Ok(vec![call.emit(Op::Slice { starts, steps }, vec![x], out)?])
}

/// Picked elements of an axis.
pub fn gather(call: &mut Call) -> Lowers {
    let (x, picks) = (call.input(0)?, call.input(1)?);
    let shape = call.shape(x);
    let axis = axis(call.int("axis", 0), shape.len())?;
    let picked = call.known_ints(picks, "picked elements")?;
    let extent = shape[axis];
    let from_front = |n: &i64| {
        let n = if *n < 0 { n + extent as i64 } else { *n };
        usize::try_from(n).ok().filter(|n| *n < extent)
    };
    let indices: Option<Vec<usize>> = picked.iter().map(from_front).collect();
    let Some(indices) = indices else {
        return Err(Refusal(format!("it picks from outside axis {axis} of {shape:?}")));
    };
    let picks_shape = call.shape(picks);
    let around = |middle: &[usize]| [&shape[..axis], middle, &shape[axis + 1..]].concat();
    let target = around(&picks_shape);
    let one_axis = around(&[indices.len()]);
    let out = pick(call, x, axis, indices, one_axis)?;
    Ok(vec![call.reshape(out, target)?])
}

/// These elements of an axis; a run of them is a slice.
fn pick(
    call: &mut Call,
    x: ValueId,
    axis: usize,
    indices: Vec<usize>,
    shape: Vec<usize>,
) -> Result<ValueId, Refusal> {
    match indices.first() {
        Some(start) if indices.iter().copied().eq(*start..start + indices.len()) => run(call, x, axis, *start, shape),
        _ => call.emit(Op::Gather { axis, indices }, vec![x], shape),
    }
}

/// Parts that rows of indices name, one index for each of the first axes.
pub fn gather_nd(call: &mut Call) -> Lowers {
    let (x, picks) = (call.input(0)?, call.input(1)?);
    let (shape, rows) = (call.shape(x), call.shape(picks));
    let depth = rows.last().copied().filter(|n| (1..=shape.len()).contains(n));
    let Some(depth) = depth.filter(|_| call.int("batch_dims", 0) == 0) else {
        return Err(Refusal(format!("indices of shape {rows:?} do not fit {shape:?}")));
    };
    let picked = call.known_ints(picks, "picked elements")?;
    let mut indices = Vec::with_capacity(picked.len() / depth);
    for row in picked.chunks_exact(depth) {
        let place = row.iter().zip(&shape).try_fold(0, |sum, (n, extent)| {
            let n = if *n < 0 { n + *extent as i64 } else { *n };
            usize::try_from(n).ok().filter(|n| n < extent).map(|n| sum * extent + n)
        });
        indices.push(place.ok_or_else(|| Refusal(format!("it picks from outside {shape:?}")))?);
    }
    let part = &shape[depth..];
    let flat = call.reshape(x, [&[shape[..depth].iter().product()], part].concat())?;
    let one_axis = [&[indices.len()], part].concat();
    let out = pick(call, flat, 0, indices, one_axis)?;
    let target = [&rows[..rows.len() - 1], part].concat();
    Ok(vec![call.reshape(out, target)?])
}

/// Pieces along an axis: lengths as an attribute up to opset 12, as an input since, or a number of equal ones.
pub fn split(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let axis = axis(call.int("axis", 0), shape.len())?;
    let pieces = call.node.outputs.len().max(1);
    let lengths = match call.list("split", 1)? {
        Some(list) => list.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect(),
        None => {
            let each = shape[axis].div_ceil(pieces);
            (0..pieces).map(|i| each.min(shape[axis].saturating_sub(i * each))).collect::<Vec<_>>()
        }
    };
    let sum = lengths.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
    if lengths.len() != pieces || sum != Some(shape[axis]) || lengths.contains(&0) {
        return Err(Refusal(format!("pieces of {lengths:?} do not make up axis {axis} of {shape:?}")));
    }
    let mut at = 0;
    let mut results = Vec::with_capacity(pieces);
    for n in &lengths {
        let mut piece = shape.clone();
        piece[axis] = *n;
        results.push(run(call, x, axis, at, piece)?);
        at += n;
    }
    Ok(results)
}

/// A run of elements along an axis, in this shape.
fn run(call: &mut Call, x: ValueId, axis: usize, start: usize, shape: Vec<usize>) -> Result<ValueId, Refusal> {
    if call.shape(x) == shape {
        return Ok(x);
    }
    let mut starts = vec![0; shape.len()];
    starts[axis] = start;
    let steps = vec![1; shape.len()];
    call.emit(Op::Slice { starts, steps }, vec![x], shape)
}

/// A frame, given as attributes up to opset 10, as inputs since.
pub fn pad(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let rank = shape.len();
    if shape.contains(&0) {
        return Err(Refusal::new("there is nothing to frame"));
    }
    // Opset 1 called them paddings.
    let given = call.list("pads", 1)?.or_else(|| call.ints("paddings"));
    let given = given.ok_or_else(|| Refusal::new("it does not say how much"))?;
    let over = match call.optional(3) {
        Some(id) => call.known_ints(id, "axes")?,
        None => (0..rank as i64).collect(),
    };
    if given.len() != 2 * over.len() {
        return Err(Refusal(format!("{} numbers are no frame around {} axes", given.len(), over.len())));
    }
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (i, a) in over.iter().enumerate() {
        let a = axis(*a, rank)?;
        (before[a], after[a]) = (given[i], given[i + over.len()]);
    }
    if before.iter().chain(&after).all(|n| *n == 0) {
        return Ok(vec![x]);
    }
    let value = match call.optional(2) {
        Some(id) => call.known_floats(id, "filling")?.first().copied().unwrap_or(0.0),
        None => call.float("value", 0.0),
    };
    let mode = match call.text("mode", "constant") {
        "constant" => PadMode::Constant(value),
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        other => return Err(Refusal(format!("its mode \"{}\" is not understood", other.escape_debug()))),
    };
    let mut out = Vec::with_capacity(rank);
    for a in 0..rank {
        let extent = [before[a], after[a]].iter().try_fold(shape[a] as i64, |sum, n| sum.checked_add(*n));
        let fits = mode != PadMode::Reflect || before[a].max(after[a]) < shape[a] as i64;
        let extent = extent.and_then(|n| usize::try_from(n).ok()).filter(|_| fits);
        out.push(extent.ok_or_else(|| Refusal(format!("a frame of {given:?} does not fit around {shape:?}")))?);
    }
    count(&out)?;
    let framed: Vec<usize> = (0..rank).filter(|a| before[*a] != 0 || after[*a] != 0).collect();
    if let (&[a], 5..) = (framed.as_slice(), rank)
        && a > 0
        && shape[0] == 1
    {
        // Along one of many axes: those before and behind it lie together.
        let merged =
            |shape: &[usize]| vec![1, shape[1..a].iter().product(), shape[a], shape[a + 1..].iter().product()];
        let (flat, wide) = (call.reshape(x, merged(&shape))?, merged(&out));
        let (before, after) = (vec![0, 0, before[a], 0], vec![0, 0, after[a], 0]);
        let padded = call.emit(Op::Pad { before, after, mode }, vec![flat], wide)?;
        return call.reshape(padded, out).map(|id| vec![id]);
    }
    Ok(vec![call.emit(Op::Pad { before, after, mode }, vec![x], out)?])
}
