//! What a graph computes, plainly: the second opinion on every rewriting, in double precision.

use gradlens::model::read::onnx::ir::{Graph, Node, ValueId};
use gradlens::model::read::onnx::op::{Convolution, Coordinates, Op, PadMode, Reduction, ResizeMode, Window};
use std::collections::HashMap;

/// An array.
#[derive(Clone)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    fn filled(shape: &[usize], value: impl Fn(&[usize]) -> f64) -> Self {
        let len = shape.iter().product();
        let mut data = Vec::with_capacity(len);
        let mut place = vec![0; shape.len()];
        for _ in 0..len {
            data.push(value(&place));
            for axis in (0..shape.len()).rev() {
                place[axis] += 1;
                if place[axis] < shape[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        Self { shape: shape.to_vec(), data }
    }

    /// An element; places are broadcast from the last axis on.
    fn at(&self, place: &[usize]) -> f64 {
        let offset = place.len() - self.shape.len();
        let flat = self
            .shape
            .iter()
            .enumerate()
            .fold(0, |flat, (i, n)| flat * n + if *n == 1 { 0 } else { place[i + offset] });
        self.data[flat]
    }
}

/// The graph's output for the picture x[i] = sin(i), i counting in the file's own order.
pub fn output(graph: &Graph, channels_last: bool) -> Array {
    let shape = graph.shape(graph.input);
    let sine = |i: usize| f64::from((i as f64).sin() as f32);
    let picture = Array::filled(shape, |p| {
        let order = if channels_last { [0, 2, 3, 1] } else { [0, 1, 2, 3] };
        if shape.len() == 4 {
            sine(order.iter().fold(0, |flat, axis| flat * shape[*axis] + p[*axis]))
        } else {
            sine(p.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i))
        }
    });
    let mut values = HashMap::from([(graph.input, picture)]);
    for node in &graph.nodes {
        let inputs: Vec<Array> = node.inputs.iter().map(|id| read(graph, &values, *id)).collect();
        let out = compute(node, &inputs, graph.shape(node.output));
        assert_eq!(out.shape, graph.shape(node.output), "{}", node.name);
        values.insert(node.output, out);
    }
    values.remove(&graph.output).expect("a computed output")
}

fn read(graph: &Graph, values: &HashMap<ValueId, Array>, id: ValueId) -> Array {
    match graph.constant(id) {
        None => values[&id].clone(),
        Some(constant) => {
            let data = constant.to_floats().expect("a readable weight").iter().map(|v| f64::from(*v)).collect();
            Array { shape: constant.shape.clone(), data }
        }
    }
}

fn compute(node: &Node, inputs: &[Array], shape: &[usize]) -> Array {
    let x = &inputs[0];
    let swapped = |p: &[usize], axis: usize, to: usize| {
        let mut place = p.to_vec();
        place[axis] = to;
        x.at(&place)
    };
    match &node.op {
        Op::Unary(f) => Array { shape: x.shape.clone(), data: x.data.iter().map(|v| f.apply(*v)).collect() },
        Op::Binary(f) => Array::filled(shape, |p| f.apply(x.at(p), inputs[1].at(p))),
        Op::PRelu => Array::filled(shape, |p| if x.at(p) < 0.0 { x.at(p) * inputs[1].at(p) } else { x.at(p) }),
        Op::Where => Array::filled(shape, |p| inputs[if x.at(p) == 0.0 { 2 } else { 1 }].at(p)),
        Op::Conv(conv) => convolve(conv, inputs, shape),
        Op::Linear { axis, transposed } => Array::filled(shape, |p| {
            let n = p[*axis];
            let weight = |k: usize| if *transposed { inputs[1].at(&[n, k]) } else { inputs[1].at(&[k, n]) };
            let sum: f64 = (0..x.shape[*axis]).map(|k| swapped(p, *axis, k) * weight(k)).sum();
            sum + inputs.get(2).map_or(0.0, |b| b.data[n])
        }),
        Op::MatMul => Array::filled(shape, |p| {
            let rank = p.len();
            let (mut left, mut right) = (p.to_vec(), p.to_vec());
            let terms = (0..x.shape[x.shape.len() - 1]).map(|k| {
                (left[rank - 1], right[rank - 2]) = (k, k);
                x.at(&left) * inputs[1].at(&right)
            });
            terms.sum()
        }),
        Op::BatchNorm { epsilon } => Array::filled(shape, |p| {
            let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|i| inputs[i].data[p[1]]);
            (x.at(p) - mean) / (variance + f64::from(*epsilon)).sqrt() * scale + bias
        }),
        Op::Affine { axis } => {
            Array::filled(shape, |p| x.at(p) * inputs[1].data[p[*axis]] + inputs[2].data[p[*axis]])
        }
        Op::GroupNorm { groups, epsilon } => {
            let each = x.data.len() / groups;
            let mut out = x.clone();
            out.data.chunks_mut(each).for_each(|group| standardise(group, f64::from(*epsilon)));
            Array::filled(shape, |p| out.at(p) * inputs[1].data[p[1]] + inputs[2].data[p[1]])
        }
        Op::LayerNorm { axes, epsilon } => {
            let [axis] = axes[..] else { panic!("one axis") };
            Array::filled(shape, |p| {
                let mut row: Vec<f64> = (0..shape[axis]).map(|i| swapped(p, axis, i)).collect();
                standardise(&mut row, f64::from(*epsilon));
                let weight = |n: usize, none: f64| inputs.get(n).map_or(none, |w| w.data[p[axis]]);
                row[p[axis]] * weight(1, 1.0) + weight(2, 0.0)
            })
        }
        Op::MaxPool(window) => {
            pool(window, x, shape, |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        }
        Op::AveragePool { window, count_padding: false } => {
            pool(window, x, shape, |values| values.iter().sum::<f64>() / values.len() as f64)
        }
        Op::GlobalAveragePool => reduce(x, shape, &[2, 3], Reduction::Mean),
        Op::Reduce { kind, axes, keep: true } => reduce(x, shape, axes, *kind),
        Op::Softmax { axis, log: false } => Array::filled(shape, |p| {
            let sum: f64 = (0..shape[*axis]).map(|i| swapped(p, *axis, i).exp()).sum();
            x.at(p).exp() / sum
        }),
        _ => moved(node, inputs, shape),
    }
}

/// Operators that move numbers, and resampling.
fn moved(node: &Node, inputs: &[Array], shape: &[usize]) -> Array {
    let x = &inputs[0];
    match &node.op {
        Op::Reshape => Array { shape: shape.to_vec(), data: x.data.clone() },
        Op::Transpose { perm } => Array::filled(shape, |p| {
            let mut place = vec![0; p.len()];
            perm.iter().zip(p).for_each(|(axis, i)| place[*axis] = *i);
            x.at(&place)
        }),
        Op::Concat { axis } => Array::filled(shape, |p| {
            let mut place = p.to_vec();
            for part in inputs {
                if place[*axis] < part.shape[*axis] {
                    return part.at(&place);
                }
                place[*axis] -= part.shape[*axis];
            }
            unreachable!("a place within the parts")
        }),
        Op::Slice { starts, steps } => Array::filled(shape, |p| {
            let place: Vec<usize> =
                (0..p.len()).map(|a| (starts[a] as isize + p[a] as isize * steps[a]) as usize).collect();
            x.at(&place)
        }),
        Op::Gather { axis, indices } => Array::filled(shape, |p| {
            let mut place = p.to_vec();
            place[*axis] = indices[p[*axis]];
            x.at(&place)
        }),
        Op::Pad { before, mode: PadMode::Constant(value), .. } => Array::filled(shape, |p| {
            let place: Option<Vec<usize>> = (0..p.len())
                .map(|a| usize::try_from(p[a] as i64 - before[a]).ok().filter(|i| *i < x.shape[a]))
                .collect();
            place.map_or(f64::from(*value), |place| x.at(&place))
        }),
        Op::Resize(resize) => {
            assert_eq!((resize.mode, resize.coordinates), (ResizeMode::Linear, Coordinates::HalfPixel));
            let along = |i: usize, a: usize| {
                let at = (i as f64 + 0.5) / f64::from(resize.scales[a]) - 0.5;
                let last = x.shape[a] as f64 - 1.0;
                let low = at.clamp(0.0, last).floor();
                (low as usize, (low + 1.0).min(last) as usize, at.clamp(0.0, last) - low)
            };
            Array::filled(shape, |p| {
                let ((t, b, v), (l, r, u)) = (along(p[2], 2), along(p[3], 3));
                let value = |y: usize, x_: usize| x.at(&[0, p[1], y, x_]);
                (1.0 - v) * ((1.0 - u) * value(t, l) + u * value(t, r))
                    + v * ((1.0 - u) * value(b, l) + u * value(b, r))
            })
        }
        other => panic!("{other:?} is in none of the test's files"),
    }
}

fn standardise(values: &mut [f64], epsilon: f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    values.iter_mut().for_each(|v| *v = (*v - mean) / (variance + epsilon).sqrt());
}

/// The place in the map that a window's element falls on.
fn inside(out: usize, stride: usize, element: usize, dilation: usize, pad: usize, size: usize) -> Option<usize> {
    (out * stride + element * dilation).checked_sub(pad).filter(|i| *i < size)
}

fn convolve(conv: &Convolution, inputs: &[Array], shape: &[usize]) -> Array {
    let (x, w) = (&inputs[0], &inputs[1]);
    let [channels, kh, kw] = [w.shape[1], w.shape[2], w.shape[3]];
    Array::filled(shape, |p| {
        let first = p[1] / (shape[1] / conv.groups) * channels;
        let mut sum = 0.0;
        for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
            let y = inside(p[2], conv.strides[0], i, conv.dilations[0], conv.pads[0], x.shape[2]);
            let z = inside(p[3], conv.strides[1], j, conv.dilations[1], conv.pads[1], x.shape[3]);
            let Some((y, z)) = y.zip(z) else { continue };
            sum += (0..channels).map(|c| x.at(&[0, first + c, y, z]) * w.at(&[p[1], c, i, j])).sum::<f64>();
        }
        inputs.get(3).map_or(1.0, |scale| scale.data[p[1]]) * sum + inputs.get(2).map_or(0.0, |b| b.data[p[1]])
    })
}

fn pool(window: &Window, x: &Array, shape: &[usize], of: impl Fn(&[f64]) -> f64) -> Array {
    Array::filled(shape, |p| {
        let mut values = Vec::new();
        for (i, j) in (0..window.kernel[0]).flat_map(|i| (0..window.kernel[1]).map(move |j| (i, j))) {
            let y = inside(p[2], window.strides[0], i, window.dilations[0], window.pads[0], x.shape[2]);
            let z = inside(p[3], window.strides[1], j, window.dilations[1], window.pads[1], x.shape[3]);
            values.extend(y.zip(z).map(|(y, z)| x.at(&[0, p[1], y, z])));
        }
        of(&values)
    })
}

fn reduce(x: &Array, shape: &[usize], axes: &[usize], kind: Reduction) -> Array {
    let inner: Vec<usize> = axes.iter().map(|a| x.shape[*a]).collect();
    Array::filled(shape, |p| {
        let every = Array::filled(&inner, |q| {
            let mut place = p.to_vec();
            axes.iter().zip(q).for_each(|(a, i)| place[*a] = *i);
            x.at(&place)
        });
        match kind {
            Reduction::Mean => every.data.iter().sum::<f64>() / every.data.len() as f64,
            Reduction::Max => every.data.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            other => panic!("{other:?} is in none of the test's files"),
        }
    })
}
