//! The kernels in candle operations, for every candle device.
//!
//! No operation here is candle's own backward: its gradient of a strided convolution mixes up the axes of
//! non-square inputs, and on a GPU it takes a slow transposed convolution. Strides are undone by spreading ∂y
//! with zeros, which leaves a forward convolution.

use super::geometry::{Axis, Window};
use super::{Activation, ReluRule};
use candle_core::{DType, Result, Tensor};

/// x `[N, I, H, W]` ∗ weight `[O, I/groups, kH, kW]` over `window`.
pub(super) fn conv2d(x: &Tensor, weight: &Tensor, window: &Window, groups: usize) -> Result<Tensor> {
    let x = framed(x, 2, &window.y, 0.0)?;
    let x = framed(&x, 3, &window.x, 0.0)?;
    let (out, per_group, _, _) = weight.dims4()?;
    if per_group == 1 && groups == out {
        depthwise(&x, weight, window)
    } else {
        x.conv2d(weight, 0, window.y.stride, 1, groups)
    }
}

/// scale · y + bias, channel by channel.
pub(super) fn scale_and_shift(y: Tensor, scale: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = match scale {
        Some(scale) => y.broadcast_mul(&scale.reshape((1, (), 1, 1))?)?,
        None => y,
    };
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

/// candle convolves grouped inputs group by group; kH·kW shifted products are far fewer launches.
fn depthwise(x: &Tensor, weight: &Tensor, window: &Window) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for ky in 0..window.y.kernel {
        let rows = strided(x, 2, ky, &window.y)?;
        for kx in 0..window.x.kernel {
            let tap = weight.narrow(2, ky, 1)?.narrow(3, kx, 1)?;
            let c = tap.dims()[0];
            let product = strided(&rows, 3, kx, &window.x)?.broadcast_mul(&tap.reshape((1, c, 1, 1))?)?;
            sum = Some(match sum {
                Some(sum) => (sum + product)?,
                None => product,
            });
        }
    }
    sum.ok_or_else(|| candle_core::Error::Msg("a kernel without taps".into()))
}

/// The kernel of the gradient: rotated by 180°, input and output channels swapped within each group.
pub(super) fn transposed_kernel(weight: &Tensor, groups: usize) -> Result<Tensor> {
    let (out, per_group, kh, kw) = weight.dims4()?;
    weight.reshape((groups, out / groups, per_group, kh * kw))?.flip(&[3])?.transpose(1, 2)?.contiguous()?.reshape((
        groups * per_group,
        out / groups,
        kh,
        kw,
    ))
}

/// `x` with zeros spread between its pixels and `fill` around them, so that windows of `axis` start at 0.
fn framed(x: &Tensor, dim: usize, axis: &Axis, fill: f64) -> Result<Tensor> {
    let mut x = x.clone();
    if axis.spread > 1 {
        let zeros = x.zeros_like()?;
        let mut parts = vec![x.clone()];
        parts.resize(axis.spread, zeros);
        let n = x.dims()[dim];
        let stacked = Tensor::stack(&parts, dim + 1)?;
        let mut shape = x.dims().to_vec();
        shape[dim] = n * axis.spread;
        x = stacked.reshape(shape)?.narrow(dim, 0, (n - 1) * axis.spread + 1)?;
    }
    let (before, after) = (axis.pad, axis.pad_after());
    if before < 0 || after < 0 {
        let start = (-before).max(0).cast_unsigned();
        let end = (-after).max(0).cast_unsigned();
        let length = x.dims()[dim] - start - end;
        x = x.narrow(dim, start, length)?;
    }
    let (before, after) = (before.max(0).cast_unsigned(), after.max(0).cast_unsigned());
    if before == 0 && after == 0 {
        return x.contiguous();
    }
    if fill == 0.0 {
        return x.pad_with_zeros(dim, before, after)?.contiguous();
    }
    let filled = |count: usize| -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        shape[dim] = count;
        Tensor::full(fill as f32, shape, x.device())
    };
    let mut parts = Vec::new();
    if before > 0 {
        parts.push(filled(before)?);
    }
    parts.push(x.clone());
    if after > 0 {
        parts.push(filled(after)?);
    }
    Tensor::cat(&parts, dim)
}

/// What every output of `axis` reads through tap `k` of an already framed `x`.
fn strided(x: &Tensor, dim: usize, k: usize, axis: &Axis) -> Result<Tensor> {
    if axis.stride == 1 {
        return x.narrow(dim, k, axis.output);
    }
    let wanted = axis.output * axis.stride;
    let there = x.dims()[dim] - k;
    let x = x.narrow(dim, k, there.min(wanted))?;
    let x = if there < wanted { x.pad_with_zeros(dim, 0, wanted - there)? } else { x };
    let mut shape = x.dims().to_vec();
    shape[dim] = axis.output;
    shape.insert(dim + 1, axis.stride);
    x.contiguous()?.reshape(shape)?.narrow(dim + 1, 0, 1)?.squeeze(dim + 1)
}

pub(super) fn clamp(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Relu => x.relu(),
        Activation::Relu6 => x.clamp(0f32, 6f32),
    }
}

pub(super) fn gate(y: &Tensor, dy: &Tensor, activation: Activation, rule: ReluRule) -> Result<Tensor> {
    let positive = || dy.gt(0f32)?.to_dtype(DType::F32);
    let active = || -> Result<Tensor> {
        let above = y.gt(0f32)?.to_dtype(DType::F32)?;
        match activation {
            Activation::Relu => Ok(above),
            Activation::Relu6 => above * y.lt(activation.cap())?.to_dtype(DType::F32)?,
        }
    };
    let mask = match rule {
        ReluRule::Standard => active()?,
        ReluRule::Guided => (active()? * positive()?)?,
        ReluRule::Deconvnet => positive()?,
    };
    dy * mask
}

pub(super) fn max_pool(x: &Tensor, window: &Window) -> Result<Tensor> {
    let x = framed(x, 2, &window.y, f64::from(f32::MIN))?;
    let x = framed(&x, 3, &window.x, f64::from(f32::MIN))?;
    let mut best: Option<Tensor> = None;
    for ky in 0..window.y.kernel {
        let rows = strided(&x, 2, ky, &window.y)?;
        for kx in 0..window.x.kernel {
            let tap = strided(&rows, 3, kx, &window.x)?;
            best = Some(match best {
                Some(best) => best.maximum(&tap)?,
                None => tap.contiguous()?,
            });
        }
    }
    best.ok_or_else(|| candle_core::Error::Msg("a pooling window without pixels".into()))
}

pub(super) fn max_pool_vjp(x: &Tensor, dy: &Tensor, window: &Window) -> Result<Tensor> {
    let y = max_pool(x, window)?;
    let padded = framed(x, 2, &window.y, f64::from(f32::MIN))?;
    let padded = framed(&padded, 3, &window.x, f64::from(f32::MIN))?;
    let (n, c, _, _) = x.dims4()?;
    let mut taken = y.zeros_like()?;
    let mut dx = x.zeros_like()?;
    // One tap at a time: a 1×1 window at the tap's offset, whose transpose scatters ∂y back.
    for ky in 0..window.y.kernel {
        let rows = strided(&padded, 2, ky, &window.y)?;
        for kx in 0..window.x.kernel {
            let hit = strided(&rows, 3, kx, &window.x)?.contiguous()?.eq(&y)?.to_dtype(DType::F32)?;
            let hit = (&hit * (1.0 - &taken)?)?;
            taken = (&taken + &hit)?;
            let one = |axis: &Axis, k: usize| Axis { kernel: 1, pad: axis.pad - k.cast_signed(), ..*axis };
            let tap = Window { y: one(&window.y, ky), x: one(&window.x, kx) }.transposed();
            let back = framed(&(dy * hit)?, 2, &tap.y, 0.0)?;
            let back = framed(&back, 3, &tap.x, 0.0)?;
            debug_assert_eq!(back.dims()[..2], [n, c]);
            dx = (dx + back)?;
        }
    }
    Ok(dx)
}

pub(super) fn concat(maps: &[Tensor]) -> Result<Tensor> {
    Tensor::cat(maps, 1)
}

pub(super) fn split_channels(dy: &Tensor, widths: &[usize]) -> Result<Vec<Tensor>> {
    let mut start = 0;
    widths
        .iter()
        .map(|&width| {
            let part = dy.narrow(1, start, width)?.contiguous();
            start += width;
            part
        })
        .collect()
}

pub(super) fn channel_products(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let rows = x.transpose(0, 1)?.reshape((c, n * h * w))?;
    rows.matmul(&rows.t()?)
}

pub(super) fn mixed_channels(x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let matrix = matrix.to_device(x.device())?;
    matrix.broadcast_left(n)?.matmul(&x.reshape((n, c, h * w))?)?.reshape((n, c, h, w))
}

pub(super) fn squared_difference(x: &Tensor, y: &Tensor, scale: f64) -> Result<(f64, Tensor)> {
    let difference = (x - y)?;
    let sum = difference.sqr()?.sum_all()?.to_scalar::<f32>()?;
    Ok((f64::from(sum), (difference * scale)?))
}
