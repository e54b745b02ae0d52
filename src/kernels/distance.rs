//! How far a map is from another: what content losses and their gradients are made of.

use super::{Map, candle_ops, map::mixed};
use candle_core::Result;

impl Map {
    /// Σ(x − y)² over all elements, and scale · (x − y), in one pass.
    ///
    /// # Errors
    /// If the maps differ in shape or kernel set.
    pub fn squared_difference(&self, from: &Self, scale: f64) -> Result<(f64, Self)> {
        match (self, from) {
            (Self::Cpu(x), Self::Cpu(y)) => {
                let (sum, difference) = x.squared_difference(y, scale as f32)?;
                Ok((sum, Self::Cpu(difference)))
            }
            (Self::Candle(x), Self::Candle(y)) => {
                let (sum, difference) = candle_ops::squared_difference(x, y, scale)?;
                Ok((sum, Self::Candle(difference)))
            }
            _ => Err(mixed()),
        }
    }
}
