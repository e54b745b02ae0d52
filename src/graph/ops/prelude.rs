//! What every operator's file needs.

pub(super) use super::super::kind::{Family, Kind};
pub(super) use super::super::operator::{Operator, Saves, Weighted, exactly, only};
pub(super) use super::super::point::Point;
pub(super) use super::super::rules::{Biases, DeepLift, Lrp, LrpRule, Rules, Shared, rescaled};
pub(super) use super::super::value::{Layout, Shape, Value};
pub(super) use crate::kernels::{KernelSet, Map};
pub(super) use candle_core::{DType, Result, Tensor, bail};
pub(super) use std::ops::RangeInclusive;

/// The shape `[C, H, W]` of one picture's map.
pub(super) fn map_shape(shape: &[usize]) -> Result<[usize; 3]> {
    match *shape {
        [_, c, h, w] => Ok([c, h, w]),
        _ => bail!("a value of shape {shape:?} came where maps [N, C, H, W] are due"),
    }
}

/// The shape of `n` maps.
pub(super) fn shape_of_maps(n: usize, [c, h, w]: [usize; 3]) -> Shape {
    vec![n, c, h, w]
}

/// Refuses axes that a value does not have, and values of more than the four axes of maps.
pub(super) fn within_a_map(axes: &[usize], shape: &[usize], what: &str) -> Result<()> {
    axes.iter().try_for_each(|&axis| within(axis, shape))?;
    if shape.len() > 4 {
        bail!("a value of shape {shape:?} has too many axes for {what}");
    }
    Ok(())
}

/// Refuses an axis that a value does not have.
pub(super) fn within(axis: usize, shape: &[usize]) -> Result<()> {
    if axis >= shape.len() {
        bail!("a value of shape {shape:?} has no axis {axis}");
    }
    Ok(())
}

/// The shape to which two shapes stretch: aligned at their ends, axes of length 1 take the other's.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let length = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |k| shape[k]);
    let stretched = |axis: usize| match (length(a, axis), length(b, axis)) {
        (a, b) if a == b => Ok(a),
        (1, b) => Ok(b),
        (a, 1) => Ok(a),
        _ => bail!("values of shape {a:?} and {b:?} do not stretch to each other"),
    };
    (0..rank).map(stretched).collect()
}

/// Whether an operator on values that stretch to each other may take several pictures: all inputs have as many axes, the
/// first of length 1, and no constant has one before or along it.
pub(super) fn keeps_batches(inputs: &[&[usize]], constants: &[&[usize]]) -> bool {
    let Some(rank) = inputs.first().map(|shape| shape.len()) else { return false };
    let constant = |shape: &&[usize]| shape.len() < rank || shape.len() == rank && shape[0] == 1;
    rank > 0 && inputs.iter().all(|shape| shape.len() == rank && shape[0] == 1) && constants.iter().all(constant)
}

/// The gradient at a value that was stretched to this one's shape.
pub(super) fn summed_to(dy: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let mut dx = dy.clone();
    let before = dy.rank() - shape.len();
    for axis in 0..dy.rank() {
        if dx.dim(axis)? != 1 && (axis < before || shape[axis - before] == 1) {
            dx = dx.sum_keepdim(axis)?;
        }
    }
    dx.reshape(shape)
}

/// The values at some places along an axis.
pub(super) fn picked(x: &Tensor, axis: usize, places: Vec<u32>) -> Result<Tensor> {
    let count = places.len();
    x.index_select(&Tensor::from_vec(places, count, x.device())?, axis)
}

/// The vjp of [`picked`] from an axis of this length.
pub(super) fn put_back(dy: &Tensor, axis: usize, places: Vec<u32>, length: usize) -> Result<Tensor> {
    let mut shape = dy.dims().to_vec();
    shape[axis] = length;
    let count = places.len();
    let places = Tensor::from_vec(places, count, dy.device())?;
    Tensor::zeros(shape, DType::F32, dy.device())?.index_add(&places, dy, axis)
}

/// DeepLIFT's rule for the largest values, or the least: the rise of one goes to the input that is the largest at the point
/// and its fall to the one that is the largest at the reference; whichever of the two is higher has its winner where the
/// two differ.
pub(super) fn winners(
    op: &dyn Operator,
    at: &Point<'_>,
    reference: &Point<'_>,
    dy: &Value,
    largest: bool,
) -> Result<Vec<Value>> {
    let difference = |a: &Value, b: &Value| a.to_tensor()? - b.to_tensor()?;
    let x = difference(at.input(0)?, reference.input(0)?)?;
    let y = difference(at.output()?, reference.output()?)?;
    let through = |at: &Point<'_>, dy: Value| only(op.vjp(at, dy)?)?.to_tensor();
    let slope = through(at, dy.clone())?;
    let shared = dy.to_tensor()?.mul(&y)?;
    let rises = y.ge(0.0)?;
    let zero = shared.zeros_like()?;
    let (up, down) = (rises.where_cond(&shared, &zero)?, rises.where_cond(&zero, &shared)?);
    let (here, there) = if largest { (up, down) } else { (down, up) };
    let shared = (through(at, dy.with(here))? + through(reference, dy.with(there))?)?;
    Ok(vec![dy.with(rescaled(&shared, &x, &slope)?)])
}
