//! What every operator's file needs.

pub(super) use super::super::operator::{Operator, Saves, Weighted, exactly, only};
pub(super) use super::super::point::Point;
pub(super) use super::super::rules::{Biases, DeepLift, Lrp, LrpRule, Rules, Shared, rescaled};
pub(super) use super::super::value::{Shape, Value};
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
