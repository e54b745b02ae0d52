//! Layers with several inputs.

use super::{Map, candle_ops, map::mixed};
use candle_core::Result;

/// The sum of two maps of one shape (a residual connection). Its vjp hands ∂y to both inputs.
///
/// # Errors
/// If the maps differ in shape or kernel set.
pub fn add(a: Map, b: &Map) -> Result<Map> {
    a.accumulate(b)
}

/// Maps of one size joined along the channels.
///
/// # Errors
/// If the maps differ in size or kernel set, or there are none.
pub fn concat(maps: &[&Map]) -> Result<Map> {
    let mut cpu = Vec::new();
    let mut candle = Vec::new();
    for map in maps {
        match map {
            Map::Cpu(map) => cpu.push(map),
            Map::Candle(tensor) => candle.push(tensor.clone()),
        }
    }
    match (cpu.is_empty(), candle.is_empty()) {
        (false, true) => Ok(Map::Cpu(super::cpu::Nhwc::concat(&cpu)?)),
        (true, false) => Ok(Map::Candle(candle_ops::concat(&candle)?)),
        _ => Err(mixed()),
    }
}

/// The vjp of [`concat()`]: ∂y cut into the channel ranges of its inputs.
///
/// # Errors
/// If the widths do not add up to the channels of ∂y.
pub fn concat_vjp(dy: &Map, widths: &[usize]) -> Result<Vec<Map>> {
    let c = dy.shape()[1];
    if widths.iter().try_fold(0usize, |sum, width| sum.checked_add(*width)) != Some(c) {
        candle_core::bail!("a gradient of {c} channels cannot be cut into {widths:?}");
    }
    dy.split_channels(widths)
}
