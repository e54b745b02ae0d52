//! Sums, means and what is made of them.

use super::movement::around;
use super::walk::{strides, walk};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::op::Reduction;

/// A reduction.
pub fn reduce(kind: Reduction, axes: &[usize], x: &Constant, shape: &[usize]) -> Result<Constant, Refusal> {
    let kept: Vec<usize> = (0..x.shape.len()).map(|i| if axes.contains(&i) { 1 } else { x.shape[i] }).collect();
    let to = strides(&kept, kept.len());
    let from = strides(&x.shape, x.shape.len());
    let len: usize = shape.iter().product();
    let share = 1.0 / axes.iter().map(|a| x.shape[*a]).product::<usize>().max(1) as f64;
    if x.element != Element::Float {
        let numbers = x.to_ints()?;
        let start = match kind {
            Reduction::Max => i64::MIN,
            Reduction::Min => i64::MAX,
            Reduction::Prod => 1,
            _ => 0,
        };
        let mut out = vec![start; len];
        walk(&x.shape, [0, 0], [&from, &to], |[i, o]| {
            let v = numbers[i];
            out[o] = match kind {
                Reduction::Max => out[o].max(v),
                Reduction::Min => out[o].min(v),
                Reduction::Prod => out[o].wrapping_mul(v),
                Reduction::L1 => out[o].wrapping_add(v.wrapping_abs()),
                Reduction::L2 | Reduction::SumSquare => out[o].wrapping_add(v.wrapping_mul(v)),
                _ => out[o].wrapping_add(v),
            };
        });
        if kind == Reduction::Mean {
            out.iter_mut().for_each(|v| *v = (*v as f64 * share) as i64);
        }
        return Ok(Constant::ints(shape.to_vec(), x.element, out));
    }
    let numbers = x.to_floats()?;
    let start = match kind {
        Reduction::Max => f64::NEG_INFINITY,
        Reduction::Min => f64::INFINITY,
        Reduction::Prod => 1.0,
        _ => 0.0,
    };
    let mut out = vec![start; len];
    walk(&x.shape, [0, 0], [&from, &to], |[i, o]| {
        let v = f64::from(numbers[i]);
        match kind {
            Reduction::Max => out[o] = out[o].max(v),
            Reduction::Min => out[o] = out[o].min(v),
            Reduction::Prod => out[o] *= v,
            Reduction::L1 => out[o] += v.abs(),
            Reduction::L2 | Reduction::SumSquare => out[o] += v * v,
            Reduction::LogSumExp => out[o] += v.exp(),
            Reduction::Mean | Reduction::Sum | Reduction::LogSum => out[o] += v,
        }
    });
    let finish = |v: f64| match kind {
        Reduction::Mean => v * share,
        Reduction::L2 => v.sqrt(),
        Reduction::LogSum | Reduction::LogSumExp => v.ln(),
        _ => v,
    };
    Ok(Constant::floats(shape.to_vec(), out.into_iter().map(|v| finish(v) as f32).collect::<Vec<_>>()))
}

/// Running sums along an axis.
pub fn cumulative(axis: usize, x: &Constant) -> Result<Constant, Refusal> {
    let (outer, inner) = around(&x.shape, axis);
    let extent = x.shape[axis];
    let places = move || (0..outer).flat_map(move |o| (inner..extent * inner).map(move |i| o * extent * inner + i));
    if x.element == Element::Float {
        let mut out = x.to_floats()?.into_owned();
        places().for_each(|i| out[i] += out[i - inner]);
        return Ok(Constant::floats(x.shape.clone(), out));
    }
    let mut out = x.to_ints()?.into_owned();
    places().for_each(|i| out[i] = out[i].wrapping_add(out[i - inner]));
    Ok(Constant::ints(x.shape.clone(), x.element, out))
}

/// Softmax along an axis.
pub fn softmax(axis: usize, x: &Constant) -> Result<Constant, Refusal> {
    let (outer, inner) = around(&x.shape, axis);
    let extent = x.shape[axis];
    let mut out = x.to_floats()?.into_owned();
    for o in 0..outer {
        for i in 0..inner {
            let place = |n: usize| (o * extent + n) * inner + i;
            let largest = (0..extent).map(|n| out[place(n)]).fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = (0..extent).map(|n| f64::from(out[place(n)] - largest).exp()).sum();
            for n in 0..extent {
                out[place(n)] = (f64::from(out[place(n)] - largest).exp() / sum) as f32;
            }
        }
    }
    Ok(Constant::floats(x.shape.clone(), out))
}

/// Each channel of axis 1 with mean 0 and variance 1, then scaled and shifted: standardised weights are written so.
pub fn instance_norm(epsilon: f32, x: &Constant, scale: &Constant, bias: &Constant) -> Result<Constant, Refusal> {
    let inner: usize = x.shape[2..].iter().product();
    let (scale, bias) = (scale.to_floats()?, bias.to_floats()?);
    let mut out = x.to_floats()?.into_owned();
    for (c, channel) in out.chunks_exact_mut(inner.max(1)).enumerate() {
        let share = 1.0 / channel.len() as f64;
        let mean = channel.iter().map(|v| f64::from(*v)).sum::<f64>() * share;
        let variance = channel.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() * share;
        let factor = 1.0 / (variance + f64::from(epsilon)).sqrt();
        let c = c % scale.len();
        for v in channel {
            *v = ((f64::from(*v) - mean) * factor * f64::from(scale[c]) + f64::from(bias[c])) as f32;
        }
    }
    Ok(Constant::floats(x.shape.clone(), out))
}

/// Batch normalisation over axis 1 with its own mean and variance.
pub fn batch_norm(epsilon: f32, inputs: &[&Constant]) -> Result<Constant, Refusal> {
    let x = inputs[0];
    let inner: usize = x.shape[2..].iter().product();
    let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|i| inputs[i].to_floats());
    let (scale, bias, mean, variance) = (scale?, bias?, mean?, variance?);
    let mut out = x.to_floats()?.into_owned();
    for (i, v) in out.iter_mut().enumerate() {
        let c = i / inner.max(1) % scale.len();
        let deviation = (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
        *v = ((f64::from(*v) - f64::from(mean[c])) / deviation * f64::from(scale[c]) + f64::from(bias[c])) as f32;
    }
    Ok(Constant::floats(x.shape.clone(), out))
}

/// Layer normalisation over some axes.
pub fn layer_norm(axes: &[usize], epsilon: f32, inputs: &[&Constant]) -> Result<Constant, Refusal> {
    let x = inputs[0];
    let rank = x.shape.len();
    let groups: Vec<usize> = (0..rank).map(|a| if axes.contains(&a) { 1 } else { x.shape[a] }).collect();
    let mut laid = vec![1; rank];
    axes.iter().for_each(|a| laid[*a] = x.shape[*a]);
    let (own, to, along) = (strides(&x.shape, rank), strides(&groups, rank), strides(&laid, rank));
    let numbers = x.to_floats()?;
    let count: usize = groups.iter().product();
    let share = 1.0 / (numbers.len() / count.max(1)).max(1) as f64;
    let (mut mean, mut variance) = (vec![0.0; count], vec![0.0; count]);
    walk(&x.shape, [0, 0], [&own, &to], |[i, g]| mean[g] += f64::from(numbers[i]) * share);
    walk(&x.shape, [0, 0], [&own, &to], |[i, g]| variance[g] += (f64::from(numbers[i]) - mean[g]).powi(2) * share);
    let scale = inputs.get(1).map(|c| c.to_floats()).transpose()?;
    let bias = inputs.get(2).map(|c| c.to_floats()).transpose()?;
    let mut out = vec![0.0; numbers.len()];
    walk(&x.shape, [0; 3], [&own, &to, &along], |[i, g, a]| {
        let v = (f64::from(numbers[i]) - mean[g]) / (variance[g] + f64::from(epsilon)).sqrt();
        let v = v * scale.as_ref().map_or(1.0, |s| f64::from(s[a])) + bias.as_ref().map_or(0.0, |b| f64::from(b[a]));
        out[i] = v as f32;
    });
    Ok(Constant::floats(x.shape.clone(), out))
}
