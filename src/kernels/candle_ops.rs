//! The kernels in candle operations, for every candle device.
//!
//! No operation here is candle's own backward: its gradient of a strided convolution mixes up the axes of
//! non-square inputs, and on a GPU it takes a slow transposed convolution. Strides are undone by spreading ∂y
//! with zeros, which leaves a forward convolution.

use super::geometry::{Axis, Window, gcd};
use super::rectifier::{Activation, ReluRule};
use candle_core::{DType, Result, Tensor};

/// x `[N, I, H, W]` ∗ weight `[O, I/groups, kH, kW]` over `window`.
pub(super) fn conv2d(x: &Tensor, weight: &Tensor, window: &Window, groups: usize) -> Result<Tensor> {
    let x = framed(x, 2, &window.y, 0.0)?;
    let x = framed(&x, 3, &window.x, 0.0)?;
    let (out, per_group, _, _) = weight.dims4()?;
    if per_group == 1 && groups == out {
        return depthwise(&x, weight, window);
    }
    // candle knows one stride and one dilation for both axes: what one axis has more of is skipped afterwards, or spread
    // with zeros.
    let (stride, dilation) = (gcd(window.y.stride, window.x.stride), gcd(window.y.dilation, window.x.dilation));
    let mut weight = weight.clone();
    for (dim, axis) in [(2, &window.y), (3, &window.x)] {
        weight = spread(&weight, dim, axis.dilation / dilation)?;
    }
    let mut y = x.conv2d(&weight, 0, stride, dilation, groups)?;
    for (dim, axis) in [(2, &window.y), (3, &window.x)] {
        y = every(&y, dim, 0, axis.stride / stride, axis.output)?;
    }
    y.contiguous()
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

/// `x` with `apart − 1` zeros between its elements along `dim`.
fn spread(x: &Tensor, dim: usize, apart: usize) -> Result<Tensor> {
    if apart == 1 {
        return Ok(x.clone());
    }
    let mut parts = vec![x.clone()];
    parts.resize(apart, x.zeros_like()?);
    let n = x.dims()[dim];
    let mut shape = x.dims().to_vec();
    shape[dim] = n * apart;
    Tensor::stack(&parts, dim + 1)?.reshape(shape)?.narrow(dim, 0, (n - 1) * apart + 1)?.contiguous()
}

/// `x` with zeros spread between its pixels and `fill` around them, so that windows of `axis` start at 0 and the last one ends
/// with it.
fn framed(x: &Tensor, dim: usize, axis: &Axis, fill: f64) -> Result<Tensor> {
    let x = spread(x, dim, axis.spread)?;
    let length = (axis.output - 1) * axis.stride + axis.extent();
    let (before, after) = (axis.pad.max(0).cast_unsigned(), axis.pad_after().max(0).cast_unsigned());
    let x = match (before, after) {
        (0, 0) => x,
        _ if fill == 0.0 => x.pad_with_zeros(dim, before, after)?,
        _ => {
            let filled = |count: usize| -> Result<Tensor> {
                let mut shape = x.dims().to_vec();
                shape[dim] = count;
                Tensor::full(fill as f32, shape, x.device())
            };
            Tensor::cat(&[filled(before)?, x.clone(), filled(after)?], dim)?
        }
    };
    // What lies before the first window or behind the last one.
    x.narrow(dim, (-axis.pad).max(0).cast_unsigned(), length)?.contiguous()
}

/// What every output of `axis` reads through tap `k` of an already framed `x`.
fn strided(x: &Tensor, dim: usize, k: usize, axis: &Axis) -> Result<Tensor> {
    every(x, dim, k * axis.dilation, axis.stride, axis.output)
}

/// `count` elements along `dim` from `first` on, `stride` apart.
fn every(x: &Tensor, dim: usize, first: usize, stride: usize, count: usize) -> Result<Tensor> {
    if stride == 1 {
        return x.narrow(dim, first, count);
    }
    let wanted = count * stride;
    let there = x.dims()[dim] - first;
    let x = x.narrow(dim, first, there.min(wanted))?;
    let x = if there < wanted { x.pad_with_zeros(dim, 0, wanted - there)? } else { x };
    let mut shape = x.dims().to_vec();
    shape[dim] = count;
    shape.insert(dim + 1, stride);
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

/// `x` framed with −∞.
fn framed_for_max(x: &Tensor, window: &Window) -> Result<Tensor> {
    let x = framed(x, 2, &window.y, f64::NEG_INFINITY)?;
    framed(&x, 3, &window.x, f64::NEG_INFINITY)
}

/// What every output reads of a framed `x` through each tap, tap after tap.
fn taps(x: &Tensor, window: &Window, mut with: impl FnMut(usize, usize, Tensor) -> Result<()>) -> Result<()> {
    for ky in 0..window.y.kernel {
        let rows = strided(x, 2, ky, &window.y)?;
        for kx in 0..window.x.kernel {
            with(ky, kx, strided(&rows, 3, kx, &window.x)?.contiguous()?)?;
        }
    }
    Ok(())
}

/// Takes what each output gives to one tap back to the inputs that it reads through it.
fn scattered(dy: &Tensor, window: &Window, ky: usize, kx: usize) -> Result<Tensor> {
    // A window of one tap at its offset.
    let one = |axis: &Axis, k: usize| {
        let pad = axis.pad - (k * axis.dilation).cast_signed();
        Axis { kernel: 1, dilation: 1, pad, ..*axis }
    };
    let tap = Window { y: one(&window.y, ky), x: one(&window.x, kx) }.transposed();
    framed(&framed(dy, 2, &tap.y, 0.0)?, 3, &tap.x, 0.0)
}

pub(super) fn max_pool(x: &Tensor, window: &Window) -> Result<Tensor> {
    let mut best: Option<Tensor> = None;
    taps(&framed_for_max(x, window)?, window, |_, _, tap| {
        best = Some(match &best {
            Some(best) => best.maximum(&tap)?,
            None => tap,
        });
        Ok(())
    })?;
    best.ok_or_else(|| candle_core::Error::Msg("a pooling window without pixels".into()))
}

pub(super) fn max_pool_vjp(x: &Tensor, dy: &Tensor, window: &Window) -> Result<Tensor> {
    let y = max_pool(x, window)?;
    let mut taken = y.zeros_like()?;
    let mut dx = x.zeros_like()?;
    taps(&framed_for_max(x, window)?, window, |ky, kx, tap| {
        let hit = (tap.eq(&y)?.to_dtype(DType::F32)? * (1.0 - &taken)?)?;
        taken = (&taken + &hit)?;
        dx = (&dx + scattered(&(dy * hit)?, window, ky, kx)?)?;
        Ok(())
    })?;
    Ok(dx)
}

/// 1 / (count down · count across) `[1, 1, H, W]`, 0 for windows of which nothing counts.
fn shares([down, across]: &[Vec<f32>; 2], like: &Tensor) -> Result<Tensor> {
    let share = |high: &f32, wide: &f32| if high * wide > 0.0 { 1.0 / (high * wide) } else { 0.0 };
    let shares: Vec<f32> = down.iter().flat_map(|high| across.iter().map(move |wide| share(high, wide))).collect();
    Tensor::from_vec(shares, (1, 1, down.len(), across.len()), like.device())
}

pub(super) fn avg_pool(x: &Tensor, window: &Window, counts: &[Vec<f32>; 2]) -> Result<Tensor> {
    let x = framed(&framed(x, 2, &window.y, 0.0)?, 3, &window.x, 0.0)?;
    let (n, c, _, _) = x.dims4()?;
    let mut sum = Tensor::zeros((n, c, window.y.output, window.x.output), DType::F32, x.device())?;
    taps(&x, window, |_, _, tap| {
        sum = (&sum + tap)?;
        Ok(())
    })?;
    sum.broadcast_mul(&shares(counts, &x)?)
}

pub(super) fn avg_pool_vjp(dy: &Tensor, window: &Window, counts: &[Vec<f32>; 2]) -> Result<Tensor> {
    let share = dy.broadcast_mul(&shares(counts, dy)?)?;
    let (n, c, _, _) = dy.dims4()?;
    let mut dx = Tensor::zeros((n, c, window.y.input, window.x.input), DType::F32, dy.device())?;
    for ky in 0..window.y.kernel {
        for kx in 0..window.x.kernel {
            dx = (&dx + scattered(&share, window, ky, kx)?)?;
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
