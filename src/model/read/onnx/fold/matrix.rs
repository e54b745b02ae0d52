//! Products of constant matrices: small networks that compute tables of positions.

use super::movement::around;
use super::walk::{strides, walk};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::Constant;

/// Products of the last two axes, the others broadcast.
pub fn matmul(x: &Constant, y: &Constant, shape: &[usize]) -> Result<Constant, Refusal> {
    let (a, b) = (x.to_floats()?, y.to_floats()?);
    let rank = shape.len();
    let (m, n) = (shape[rank - 2], shape[rank - 1]);
    let k = x.shape[x.shape.len() - 1];
    let batch = &shape[..rank - 2];
    let own = |c: &Constant| strides(&c.shape[..c.shape.len() - 2], rank - 2);
    let (sx, sy) = (own(x), own(y));
    let mut out = Vec::with_capacity(shape.iter().product());
    walk(batch, [0, 0], [&sx, &sy], |[i, j]| {
        let (a, b) = (&a[i * m * k..(i + 1) * m * k], &b[j * k * n..(j + 1) * k * n]);
        for row in 0..m {
            for column in 0..n {
                let terms = (0..k).map(|t| f64::from(a[row * k + t]) * f64::from(b[t * n + column]));
                out.push(terms.sum::<f64>() as f32);
            }
        }
    });
    Ok(Constant::floats(shape.to_vec(), out))
}

/// A linear layer over an axis.
pub fn linear(axis: usize, transposed: bool, inputs: &[&Constant], shape: &[usize]) -> Result<Constant, Refusal> {
    let (x, w) = (inputs[0].to_floats()?, inputs[1].to_floats()?);
    let bias = inputs.get(2).map(|c| c.to_floats()).transpose()?;
    let (n, k) = (shape[axis], inputs[0].shape[axis]);
    let (outer, inner) = around(shape, axis);
    let weight = |t: usize, column: usize| if transposed { w[column * k + t] } else { w[t * n + column] };
    let mut out = Vec::with_capacity(shape.iter().product());
    for o in 0..outer {
        for column in 0..n {
            let start = bias.as_ref().map_or(0.0, |b| f64::from(b[column]));
            for i in 0..inner {
                let terms = (0..k).map(|t| f64::from(x[(o * k + t) * inner + i]) * f64::from(weight(t, column)));
                out.push((start + terms.sum::<f64>()) as f32);
            }
        }
    }
    Ok(Constant::floats(shape.to_vec(), out))
}
