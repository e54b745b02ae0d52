//! Resampling: Resize of every version, and Upsample before it.

use super::call::{Call, Lowers, axis};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Coordinates, Op, Resize, ResizeMode, Rounding};

/// A resampled value.
pub fn resize(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let (scales, out) = extents(call, &shape)?;
    if out == shape {
        return Ok(vec![x]);
    }
    let old = call.node.op == "Upsample" || call.opset < 11;
    let mode = match call.text("mode", "nearest") {
        "nearest" => ResizeMode::Nearest,
        "linear" | "bilinear" => ResizeMode::Linear,
        "cubic" | "bicubic" => ResizeMode::Cubic,
        other => return Err(Refusal(format!("its mode \"{}\" is not understood", other.escape_debug()))),
    };
    let coordinates = match call.text("coordinate_transformation_mode", "half_pixel") {
        _ if old => Coordinates::Asymmetric,
        "half_pixel" => Coordinates::HalfPixel,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        other => return Err(Refusal(format!("its coordinates \"{}\" are not understood", other.escape_debug()))),
    };
    let shrinks = scales.iter().any(|s| *s < 1.0);
    let rounding = match call.text("nearest_mode", "round_prefer_floor") {
        // Without a mode of its own, the old operator cuts where it enlarges and takes the next one where it shrinks.
        _ if old && shrinks => Rounding::Ceil,
        _ if old => Rounding::Floor,
        "round_prefer_ceil" => Rounding::PreferCeil,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        _ => Rounding::PreferFloor,
    };
    let resize = Resize {
        mode,
        coordinates,
        rounding,
        scales,
        cubic: call.float("cubic_coeff_a", -0.75),
        exclude_outside: call.int("exclude_outside", 0) != 0,
        antialias: call.int("antialias", 0) != 0,
    };
    Ok(vec![call.emit(Op::Resize(resize), vec![x], out)?])
}

/// Scales of all axes, and the extents they lead to.
fn extents(call: &Call, shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>), Refusal> {
    let rank = shape.len();
    let over = match call.ints("axes") {
        Some(list) => list.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let filled = |i: usize| call.optional(i).filter(|id| !call.shape(*id).contains(&0));
    let (by_scale, by_size): (Option<ValueId>, Option<ValueId>) =
        if call.node.op == "Upsample" || call.opset < 11 { (filled(1), None) } else { (filled(2), filled(3)) };
    let misfit = |n: usize| Refusal(format!("{n} sizes do not fit {} axes", over.len()));
    let mut scales = vec![1.0; rank];
    let mut out = shape.to_vec();
    if let Some(id) = by_size {
        let sizes = call.known_ints(id, "sizes")?;
        if sizes.len() != over.len() {
            return Err(misfit(sizes.len()));
        }
        let mut ratio = |list: &[(usize, f32)]| {
            for (a, scale) in list {
                scales[*a] = *scale;
            }
        };
        let wanted: Vec<(usize, f32)> =
            over.iter().zip(&sizes).map(|(a, n)| (*a, *n as f32 / shape[*a] as f32)).collect();
        let ratios = wanted.iter().map(|(_, scale)| *scale);
        let same = match call.text("keep_aspect_ratio_policy", "stretch") {
            "not_larger" => Some(ratios.fold(f32::INFINITY, f32::min)),
            "not_smaller" => Some(ratios.fold(0.0, f32::max)),
            _ => None,
        };
        for ((a, _), n) in wanted.iter().zip(&sizes) {
            let kept = same.map(|scale| (scale * shape[*a] as f32).round() as usize);
            out[*a] = kept.unwrap_or(usize::try_from(*n).unwrap_or(0));
        }
        ratio(&wanted.iter().map(|(a, scale)| (*a, same.unwrap_or(*scale))).collect::<Vec<_>>());
        return Ok((scales, out));
    }
    let given = match (by_scale, call.floats("scales")) {
        (Some(id), _) => call.known_floats(id, "scales")?,
        (None, Some(list)) => list,
        (None, None) => return Err(Refusal::new("it does not say how large")),
    };
    if given.len() != over.len() || given.iter().any(|s| !(*s > 0.0 && *s < 1e6)) {
        return Err(misfit(given.len()));
    }
    for (a, scale) in over.iter().zip(given) {
        scales[*a] = scale;
        out[*a] = (shape[*a] as f32 * scale).floor() as usize;
    }
    Ok((scales, out))
}
