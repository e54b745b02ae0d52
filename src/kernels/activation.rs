//! Rectifiers over maps, forwards and backwards.

use super::rectifier::{Activation, ReluRule};
use super::{Map, candle_ops};
use candle_core::Result;

/// A rectifier that a gradient passes on its way back.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// The rectifier's output.
    pub y: &'a Map,
    /// Which rectifier.
    pub activation: Activation,
    /// How it passes gradients.
    pub rule: ReluRule,
}

impl<'a> Gate<'a> {
    pub(super) fn cpu(self) -> Result<super::cpu::Mask<'a>> {
        Ok(super::cpu::Mask { y: self.y.cpu()?.data(), cap: self.activation.cap(), rule: self.rule })
    }
}

impl Activation {
    /// y = clamp(x, 0, cap), elementwise.
    ///
    /// # Errors
    /// If candle cannot allocate the result.
    pub fn forward(self, x: Map) -> Result<Map> {
        Ok(match x {
            Map::Cpu(mut map) => {
                map.make_mut().rectify(self);
                Map::Cpu(map)
            }
            Map::Candle(tensor) => Map::Candle(candle_ops::clamp(&tensor, self)?),
        })
    }

    /// ∂x from this layer's output `y` and the gradient `dy` at it.
    ///
    /// # Errors
    /// If `y` and `dy` differ in shape or kernel set.
    pub fn vjp(self, y: &Map, dy: Map, rule: ReluRule) -> Result<Map> {
        match (y, dy) {
            (Map::Cpu(y), Map::Cpu(mut dy)) => {
                dy.same_shape(y)?;
                dy.make_mut().gate(y, self, rule);
                Ok(Map::Cpu(dy))
            }
            (Map::Candle(y), Map::Candle(dy)) => Ok(Map::Candle(candle_ops::gate(y, &dy, self, rule)?)),
            _ => Err(super::map::mixed()),
        }
    }
}
