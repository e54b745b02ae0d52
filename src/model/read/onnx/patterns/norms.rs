//! Normalisations that the file writes as arithmetic.

use super::rewriting::Rewriting;
use crate::model::read::onnx::constant::{Constant, batch_norm};
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op, Reduction, Unary};

/// (x − mean) / √(mean of squares + ε) over the same axes: a layer norm without scale and bias.
pub fn layer_norm(graph: &mut Rewriting, i: usize) -> bool {
    let found = match graph.op(i) {
        Op::Binary(Binary::Div) => {
            let (x, y) = (graph.input(i, 0), graph.input(i, 1));
            graph.made_by(y, |op| matches!(op, Op::Unary(Unary::Sqrt))).and_then(|s| normalised(graph, x, s))
        }
        Op::Binary(Binary::Mul) => graph.either_way(i).into_iter().find_map(|(x, factor)| {
            let r = graph.made_by(factor, |op| matches!(op, Op::Unary(Unary::Reciprocal)))?;
            let s = graph.made_by(graph.input(r, 0), |op| matches!(op, Op::Unary(Unary::Sqrt)))?;
            normalised(graph, x, s)
        }),
        _ => None,
    };
    match found {
        Some((x, axes, epsilon)) => graph.replace(i, Op::LayerNorm { axes, epsilon }, vec![x]),
        None => false,
    }
}

/// The value whose deviation from its mean is `centred`, if `root` is the root of that deviation's mean square; with the
/// axes and ε.
fn normalised(graph: &Rewriting, centred: ValueId, root: usize) -> Option<(ValueId, Vec<usize>, f32)> {
    let sum = graph.made_by(graph.input(root, 0), |op| matches!(op, Op::Binary(Binary::Add)))?;
    let (variance, epsilon) =
        graph.either_way(sum).into_iter().find_map(|(v, e)| Some((v, graph.constant(e)?.scalar()?)))?;
    let (squares, axes) = mean(graph, variance)?;
    let square = graph.made_by(squares, |op| matches!(op, Op::Binary(Binary::Mul)))?;
    // Some exporters compute the deviation twice.
    let deviation = (graph.input(square, 0) == graph.input(square, 1)).then(|| graph.input(square, 0))?;
    let (x, own) = deviation_of(graph, deviation)?;
    let (also, again) = deviation_of(graph, centred)?;
    (x == also && axes == own && axes == again).then_some((x, axes, epsilon))
}

/// x and the axes, if a value is x − mean(x).
fn deviation_of(graph: &Rewriting, id: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let i = graph.made_by(id, |op| matches!(op, Op::Binary(Binary::Sub)))?;
    let x = graph.input(i, 0);
    let (of, axes) = mean(graph, graph.input(i, 1))?;
    (of == x).then_some((x, axes))
}

/// What a value is the mean of, and over which axes, which it keeps.
fn mean(graph: &Rewriting, id: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let i = graph.producer(id)?;
    match graph.op(i) {
        Op::Reduce { kind: Reduction::Mean, axes, keep: true } => Some((graph.input(i, 0), axes.clone())),
        Op::GlobalAveragePool => Some((graph.input(i, 0), vec![2, 3])),
        _ => None,
    }
}

/// Scale and bias behind a normalisation that has none.
pub fn affine(graph: &mut Rewriting, i: usize) -> bool {
    let Op::Binary(function) = graph.op(i) else { return false };
    let slot = match function {
        Binary::Mul => 1,
        Binary::Add => 2,
        _ => return false,
    };
    let found = graph.either_way(i).into_iter().find_map(|(x, constant)| {
        let j = graph.producer(x)?;
        let (axes, channels) = match graph.op(j) {
            Op::LayerNorm { axes, .. } => (axes.clone(), false),
            Op::GroupNorm { .. } => (vec![1], true),
            _ => return None,
        };
        let fits = graph.shape(x) == graph.shape(graph.output(i)) && graph.index.uses(x) == 1;
        let added = laid_on(graph, constant, &axes, graph.shape(x)).filter(|_| fits)?;
        Some((j, added, channels))
    });
    let Some((j, constant, always)) = found else { return false };
    let mut inputs = graph.inputs(j);
    let op = graph.op(j).clone();
    let extents = constant.shape.clone();
    if always {
        // A group norm has both: what it has is 1 and 0, or the product is not one of scales.
        let neutral = |n: usize, value: f32| graph.constant(inputs[n]).and_then(Constant::filling) == Some(value);
        if !(neutral(2, 0.0) && (slot == 2 || neutral(1, 1.0))) {
            return false;
        }
        inputs[slot] = graph.graph.add_constant(constant);
        return graph.replace(i, op, inputs);
    }
    if inputs.len() > slot || slot == 1 && inputs.len() > 1 {
        return false;
    }
    if slot == 2 && inputs.len() == 1 {
        inputs.push(graph.graph.add_constant(Constant::filled(extents, 1.0)));
    }
    inputs.push(graph.graph.add_constant(constant));
    graph.replace(i, op, inputs)
}

/// A factor or an addend a channel behind a batch norm: Caffe writes its scale and bias so.
pub fn batch_affine(graph: &mut Rewriting, i: usize) -> bool {
    let Op::Binary(function @ (Binary::Mul | Binary::Add)) = graph.op(i) else { return false };
    let function = *function;
    let found = graph.either_way(i).into_iter().find_map(|(x, constant)| {
        let j = graph.made_by(x, |op| matches!(op, Op::BatchNorm { .. }))?;
        let fits = graph.shape(x) == graph.shape(graph.output(i)) && graph.index.uses(x) == 1;
        let laid = laid_on(graph, constant, &[1], graph.shape(x)).filter(|_| fits)?;
        let read = |id| graph.constant(id)?.to_floats().ok().map(std::borrow::Cow::into_owned);
        let (scale, bias) = (read(graph.input(j, 1))?, read(graph.input(j, 2))?);
        Some((j, laid.to_floats().ok()?.into_owned(), scale, bias))
    });
    let Some((j, by, mut scale, mut bias)) = found else { return false };
    for c in 0..by.len() {
        match function {
            Binary::Mul => {
                scale[c] *= by[c];
                bias[c] *= by[c];
            }
            _ => bias[c] += by[c],
        }
    }
    let mut inputs = graph.inputs(j);
    inputs[1] = graph.graph.add_constant(Constant::floats(vec![scale.len()], scale));
    inputs[2] = graph.graph.add_constant(Constant::floats(vec![bias.len()], bias));
    let op = graph.op(j).clone();
    graph.replace(i, op, inputs)
}

/// A batch norm, or a factor and an addend a channel, behind a convolution: its scale and its bias. They are not multiplied
/// into the weights, whose rounding would be that of another network.
pub fn of_convolution(graph: &mut Rewriting, i: usize) -> bool {
    let own = graph.inputs(i);
    let row =
        |id: Option<&ValueId>| -> Option<Vec<f32>> { Some(graph.constant(*id?)?.to_floats().ok()?.into_owned()) };
    let found = || {
        let [scale, shift] = match graph.op(i) {
            Op::BatchNorm { epsilon } => {
                let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|place| row(own.get(place)));
                batch_norm(&gamma?, &beta?, &mean?, &variance?, *epsilon)
            }
            Op::Affine { axis: 1 } => [row(own.get(1))?, row(own.get(2))?],
            _ => return None,
        };
        let j = graph.made_by(own[0], |op| matches!(op, Op::Conv(_) | Op::ConvTranspose(_)))?;
        let inputs = graph.inputs(j);
        let channels = graph.shape(own[0])[1];
        let (bias, before) = (row(inputs.get(2)), row(inputs.get(3)));
        let bias = bias.unwrap_or_else(|| vec![0.0; channels]);
        let before = before.unwrap_or_else(|| vec![1.0; channels]);
        let fits = [&scale, &shift, &bias, &before].iter().all(|row| row.len() == channels);
        if !fits || graph.index.uses(own[0]) != 1 || graph.shape(own[0]) != graph.shape(graph.output(i)) {
            return None;
        }
        let shift: Vec<f32> = shift.iter().zip(&bias).zip(&scale).map(|((t, b), s)| b * s + t).collect();
        let scale: Vec<f32> = scale.iter().zip(&before).map(|(s, c)| s * c).collect();
        Some((j, vec![inputs[0], inputs[1]], [shift, scale]))
    };
    let Some((j, mut inputs, rows)) = found() else { return false };
    inputs.extend(rows.map(|row| graph.graph.add_constant(Constant::floats(vec![row.len()], row))));
    // It goes by the convolution's name.
    let conv = graph.graph.nodes[j].clone();
    let node = &mut graph.graph.nodes[i];
    (node.name, node.origin) = (conv.name, conv.origin);
    graph.replace(i, conv.op, inputs)
}

/// A constant that differs along some axes only, with their extents.
fn laid_on(graph: &Rewriting, id: ValueId, axes: &[usize], shape: &[usize]) -> Option<Constant> {
    let constant = graph.constant(id)?;
    let own = &constant.shape;
    let offset = shape.len().checked_sub(own.len())?;
    let extents: Vec<usize> = axes.iter().map(|a| shape[*a]).collect();
    let fits = own.iter().enumerate().all(|(i, n)| *n == 1 || axes.contains(&(i + offset)));
    if !fits || !axes.is_sorted() {
        return None;
    }
    if constant.len() == extents.iter().product::<usize>() {
        return constant.reshaped(extents).ok();
    }
    let number = constant.scalar()?;
    Some(Constant::filled(extents, number))
}

/// Instance normalisation of groups laid out as channels: a group norm, whose scale and bias follow.
pub fn group_norm(graph: &mut Rewriting, i: usize) -> bool {
    if !matches!(graph.op(i), Op::Reshape) {
        return false;
    }
    let Some(n) = graph.made_by(graph.input(i, 0), |op| matches!(op, Op::InstanceNorm { .. })) else { return false };
    let Some(r) = graph.made_by(graph.input(n, 0), |op| matches!(op, Op::Reshape)) else { return false };
    let Op::InstanceNorm { epsilon } = graph.op(n) else { return false };
    let epsilon = *epsilon;
    let x = graph.input(r, 0);
    let (from, grouped) = (graph.shape(x).to_vec(), graph.shape(graph.output(r)).to_vec());
    let neutral = |slot: usize, value: f32| {
        let read = |c: &Constant| c.to_floats().is_ok_and(|v| v.iter().all(|v| v.to_bits() == value.to_bits()));
        graph.constant(graph.input(n, slot)).is_some_and(read)
    };
    let whole = from == graph.shape(graph.output(i)) && from.len() >= 3 && from[0] == 1 && grouped[0] == 1;
    if !whole || !from[1].is_multiple_of(grouped[1]) || !neutral(1, 1.0) || !neutral(2, 0.0) {
        return false;
    }
    let [scale, bias] = [1.0, 0.0].map(|value| graph.graph.add_constant(Constant::filled(vec![from[1]], value)));
    graph.replace(i, Op::GroupNorm { groups: grouped[1], epsilon }, vec![x, scale, bias])
}
