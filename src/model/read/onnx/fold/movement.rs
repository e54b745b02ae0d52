//! Numbers in other places.

use super::walk::{strides, walk};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::op::{Op, PadMode};

/// Applies a rule on places to whichever type the elements have.
fn picked(x: &Constant, shape: &[usize], mut places: impl FnMut(&mut dyn FnMut(usize))) -> Result<Constant, Refusal> {
    let len = shape.iter().product();
    if x.element == Element::Float {
        let from = x.to_floats()?;
        let mut out = Vec::with_capacity(len);
        places(&mut |i| out.push(from[i]));
        return Ok(Constant::floats(shape.to_vec(), out));
    }
    let from = x.to_ints()?;
    let mut out = Vec::with_capacity(len);
    places(&mut |i| out.push(from[i]));
    Ok(Constant::ints(shape.to_vec(), x.element, out))
}

/// Transposition, slice, broadcast, repetition, picked elements: what is a walk with strides through the input.
pub fn moved(op: &Op, x: &Constant, shape: &[usize]) -> Result<Constant, Refusal> {
    let rank = x.shape.len();
    let own = strides(&x.shape, rank);
    match op {
        Op::Transpose { perm } => {
            let turned: Vec<isize> = perm.iter().map(|axis| own[*axis]).collect();
            picked(x, shape, |each| walk(shape, [0], [&turned], |[i]| each(i)))
        }
        Op::Slice { starts, steps } => {
            let start = starts.iter().zip(&own).map(|(n, stride)| *n as isize * stride).sum();
            let stepped: Vec<isize> = own.iter().zip(steps).map(|(stride, step)| stride * step).collect();
            picked(x, shape, |each| walk(shape, [start], [&stepped], |[i]| each(i)))
        }
        Op::Expand => {
            let repeated = strides(&x.shape, shape.len());
            picked(x, shape, |each| walk(shape, [0], [&repeated], |[i]| each(i)))
        }
        Op::Gather { axis, indices } => {
            let (outer, inner) = around(&x.shape, *axis);
            let extent = x.shape[*axis];
            picked(x, shape, |each| {
                for o in 0..outer {
                    for n in indices {
                        (0..inner).for_each(|i| each((o * extent + n) * inner + i));
                    }
                }
            })
        }
        // Tile: the place in the input is the one in the output, modulo the extents.
        _ => {
            let mut place = vec![0; rank];
            let total: usize = shape.iter().product();
            picked(x, shape, |each| {
                for _ in 0..total {
                    each((0..rank).map(|a| (place[a] % x.shape[a]) as isize * own[a]).sum::<isize>() as usize);
                    for a in (0..rank).rev() {
                        place[a] += 1;
                        if place[a] < shape[a] {
                            break;
                        }
                        place[a] = 0;
                    }
                }
            })
        }
    }
}

/// Numbers of elements before and behind an axis.
pub fn around(shape: &[usize], axis: usize) -> (usize, usize) {
    (shape[..axis].iter().product(), shape[axis + 1..].iter().product())
}

/// Constants behind each other.
pub fn concat(axis: usize, parts: &[&Constant], shape: &[usize]) -> Result<Constant, Refusal> {
    let (outer, inner) = around(shape, axis);
    let len = shape.iter().product();
    if parts[0].element == Element::Float {
        let read = parts.iter().map(|c| c.to_floats()).collect::<Result<Vec<_>, _>>()?;
        let mut out = Vec::with_capacity(len);
        for o in 0..outer {
            for (part, numbers) in parts.iter().zip(&read) {
                let run = part.shape[axis] * inner;
                out.extend_from_slice(&numbers[o * run..(o + 1) * run]);
            }
        }
        return Ok(Constant::floats(shape.to_vec(), out));
    }
    let read = parts.iter().map(|c| c.to_ints()).collect::<Result<Vec<_>, _>>()?;
    let mut out = Vec::with_capacity(len);
    for o in 0..outer {
        for (part, numbers) in parts.iter().zip(&read) {
            let run = part.shape[axis] * inner;
            out.extend_from_slice(&numbers[o * run..(o + 1) * run]);
        }
    }
    Ok(Constant::ints(shape.to_vec(), parts[0].element, out))
}

/// A frame; `shape` says how much of it is behind.
pub fn pad(before: &[i64], mode: PadMode, x: &Constant, shape: &[usize]) -> Result<Constant, Refusal> {
    let own = strides(&x.shape, x.shape.len());
    let inside = |axis: usize, place: usize| -> Option<i64> {
        let (at, extent) = (place as i64 - before[axis], x.shape[axis] as i64);
        match mode {
            PadMode::Constant(_) => (0..extent).contains(&at).then_some(at),
            PadMode::Edge => Some(at.clamp(0, extent - 1)),
            PadMode::Wrap => Some(at.rem_euclid(extent)),
            PadMode::Reflect if extent == 1 => Some(0),
            PadMode::Reflect => {
                let period = 2 * (extent - 1);
                let folded = at.rem_euclid(period);
                Some(folded.min(period - folded))
            }
        }
    };
    let filling = if let PadMode::Constant(value) = mode { value } else { 0.0 };
    let numbers = x.to_floats()?;
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut place = vec![0; shape.len()];
    for _ in 0..shape.iter().product() {
        let at: Option<i64> = (0..shape.len()).map(|a| Some(inside(a, place[a])? * own[a] as i64)).sum();
        out.push(at.and_then(|at| numbers.get(at as usize).copied()).unwrap_or(filling));
        for a in (0..shape.len()).rev() {
            place[a] += 1;
            if place[a] < shape[a] {
                break;
            }
            place[a] = 0;
        }
    }
    Ok(match x.element {
        Element::Float => Constant::floats(shape.to_vec(), out),
        element => Constant::ints(shape.to_vec(), element, out.iter().map(|v| *v as i64).collect::<Vec<_>>()),
    })
}

/// Elements, or whole parts, replaced at the places that rows of indices name.
pub fn scatter(x: &Constant, indices: &Constant, updates: &Constant) -> Result<Constant, Refusal> {
    let misfit = || Refusal(format!("{:?} and {:?} do not fit {:?}", indices.shape, updates.shape, x.shape));
    let depth = indices.shape.last().copied().filter(|n| (1..=x.shape.len()).contains(n)).ok_or_else(misfit)?;
    let part: usize = x.shape[depth..].iter().product();
    let places = indices.to_ints()?;
    if places.len() / depth * part != updates.len() {
        return Err(misfit());
    }
    let mut starts = Vec::with_capacity(places.len() / depth);
    for row in places.chunks_exact(depth) {
        let mut start = 0;
        for (n, extent) in row.iter().zip(&x.shape) {
            let n = if *n < 0 { n + *extent as i64 } else { *n };
            let n = usize::try_from(n).ok().filter(|n| n < extent).ok_or_else(misfit)?;
            start = start * extent + n;
        }
        starts.push(start * part);
    }
    if x.element == Element::Float {
        let (mut out, new) = (x.to_floats()?.into_owned(), updates.to_floats()?);
        for (i, start) in starts.iter().enumerate() {
            out[*start..start + part].copy_from_slice(&new[i * part..(i + 1) * part]);
        }
        return Ok(Constant::floats(x.shape.clone(), out));
    }
    let (mut out, new) = (x.to_ints()?.into_owned(), updates.to_ints()?);
    for (i, start) in starts.iter().enumerate() {
        out[*start..start + part].copy_from_slice(&new[i * part..(i + 1) * part]);
    }
    Ok(Constant::ints(x.shape.clone(), x.element, out))
}
