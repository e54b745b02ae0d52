//! Convolutions, forwards and transposed, of one or two dimensions.

use super::call::{Call, Lowers, depends};
use super::pooling::{self, Places};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::Constant;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Convolution, Op, Unary};

/// A convolution. One of one dimension is one of two whose map is one high.
pub fn conv(call: &mut Call) -> Lowers {
    let original = call.input(0)?;
    let (x, kernel, rank) = operands(call, original)?;
    let (shape, k) = (call.shape(x), call.shape(kernel));
    let groups = groups(call)?;
    if shape[1] != k[1] * groups || !k[0].is_multiple_of(groups) {
        return Err(Refusal(format!("a kernel {k:?} of {groups} groups does not fit {} channels", shape[1])));
    }
    let places = Places::read(call, rank, [k[2], k[3]], [shape[2], shape[3]])?;
    let [h, w] = [0, 1].map(|i| places.out(i));
    let Places { strides, pads, dilations, .. } = places;
    let op = Op::Conv(Convolution { strides, pads, dilations, groups });
    let mut inputs = vec![x, kernel];
    inputs.extend(bias(call, 2, k[0])?);
    let out = call.emit(op, inputs, vec![1, k[0], h, w])?;
    pooling::back(call, out, rank).map(|id| vec![id])
}

/// ONNX Runtime's convolution with an activation behind it.
pub fn fused(call: &mut Call) -> Lowers {
    let out = conv(call)?[0];
    let parameters = call.floats("activation_params").unwrap_or_default();
    let parameter = |i: usize, default: f32| parameters.get(i).copied().unwrap_or(default);
    let function = match call.text("activation", "") {
        "" => return Ok(vec![out]),
        "Relu" => Unary::Relu,
        "Sigmoid" => Unary::Sigmoid,
        "Tanh" => Unary::Tanh,
        "LeakyRelu" => Unary::LeakyRelu(parameter(0, 0.01)),
        "Clip" => Unary::Clip { min: parameter(0, f32::NEG_INFINITY), max: parameter(1, f32::INFINITY) },
        "HardSigmoid" => Unary::HardSigmoid { alpha: parameter(0, 0.2), beta: parameter(1, 0.5) },
        other => return Err(Refusal(format!("its activation \"{}\" is not understood", other.escape_debug()))),
    };
    let shape = call.shape(out);
    Ok(vec![call.emit(Op::Unary(function), vec![out], shape)?])
}

/// A transposed convolution.
pub fn transposed(call: &mut Call) -> Lowers {
    let original = call.input(0)?;
    let (x, kernel, rank) = operands(call, original)?;
    let (shape, k) = (call.shape(x), call.shape(kernel));
    let groups = groups(call)?;
    if shape[1] != k[0] || !k[0].is_multiple_of(groups) {
        return Err(Refusal(format!("a kernel {k:?} of {groups} groups does not fit {} channels", shape[1])));
    }
    let size = [shape[2], shape[3]];
    let mut places = Places::listed(call, rank, [k[2], k[3]], size)?;
    let extra = pooling::pair(call.ints("output_padding"), rank, 0)?;
    let wanted = call.ints("output_shape");
    let auto = call.text("auto_pad", "NOTSET").to_owned();
    if !matches!(auto.as_str(), "" | "NOTSET" | "VALID" | "SAME_UPPER" | "SAME_LOWER") {
        return Err(Refusal(format!("its auto_pad \"{}\" is not understood", auto.escape_debug())));
    }
    let mut out = [0; 2];
    for i in 0..2 {
        let whole = places.strides[i] * (size[i] - 1) + places.reach(i);
        let asked = match &wanted {
            Some(list) => Some(pooling::nth(list, rank, i, 1)?),
            None if auto.starts_with("SAME") => Some(size[i] * places.strides[i]),
            None => None,
        };
        out[i] = asked.unwrap_or((whole + extra[i]).saturating_sub(places.pads[i] + places.pads[i + 2]));
        if asked.is_some() {
            let surplus = (whole + extra[i]).saturating_sub(out[i]);
            // By ONNX's text the odd element goes in front unless auto_pad is SAME_UPPER.
            places.pads[i] = if auto == "SAME_UPPER" { surplus / 2 } else { surplus.div_ceil(2) };
        }
        places.pads[i + 2] = whole.saturating_sub(out[i] + places.pads[i]);
    }
    let Places { strides, pads, dilations, .. } = places;
    let op = Op::ConvTranspose(Convolution { strides, pads, dilations, groups });
    let mut inputs = vec![x, kernel];
    inputs.extend(bias(call, 2, k[1] * groups)?);
    let out = call.emit(op, inputs, vec![1, k[1] * groups, out[0], out[1]])?;
    pooling::back(call, out, rank).map(|id| vec![id])
}

/// The map and the kernel, both of four axes, and how many the map had. A file may say the window's extents twice.
fn operands(call: &mut Call, original: ValueId) -> Result<(ValueId, ValueId, usize), Refusal> {
    let kernel = call.input(1)?;
    let Some(constant) = call.constant(kernel) else { return Err(depends("kernels")) };
    let (x, rank) = pooling::as_map(call, original)?;
    if constant.shape.len() != rank || constant.is_empty() {
        return Err(Refusal(format!("a kernel of shape {:?} does not fit a map of {rank} axes", constant.shape)));
    }
    let said = call.ints("kernel_shape").unwrap_or_default();
    if !said.is_empty()
        && !said.iter().map(|n| usize::try_from(*n).ok()).eq(constant.shape[2..].iter().map(|n| Some(*n)))
    {
        return Err(Refusal(format!("it says that its window is {said:?}, but has a kernel {:?}", constant.shape)));
    }
    if rank == 4 {
        return Ok((x, kernel, rank));
    }
    let [o, i, k] = [constant.shape[0], constant.shape[1], constant.shape[2]];
    let flat = call.reshape(kernel, vec![o, i, 1, k])?;
    Ok((x, flat, rank))
}

fn groups(call: &Call) -> Result<usize, Refusal> {
    usize::try_from(call.int("group", 1)).ok().filter(|g| *g > 0).ok_or_else(|| Refusal::new("it has no groups"))
}

/// A bias of `len` numbers, if there is one.
fn bias(call: &mut Call, i: usize, len: usize) -> Result<Option<ValueId>, Refusal> {
    match call.optional(i) {
        None => Ok(None),
        // Written out by exporters that have no way to leave it away.
        Some(id) if call.constant(id).as_ref().and_then(Constant::filling) == Some(0.0) => Ok(None),
        Some(_) => call.weight(i, "bias", &[len]).map(Some),
    }
}
