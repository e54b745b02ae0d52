//! Channels that become places, and places that become channels.

use super::prelude::*;
use crate::kernels::{self, BlockOrder};

/// Each pixel's channels become a block of pixels (a pixel shuffle), or a block of pixels the channels of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthToSpace {
    function: kernels::DepthToSpace,
    backwards: bool,
}

impl DepthToSpace {
    /// Channels into blocks of side `block`.
    #[must_use]
    pub fn new(block: usize, order: BlockOrder) -> Self {
        Self { function: kernels::DepthToSpace { block, order }, backwards: false }
    }

    /// The other way round: space to depth.
    #[must_use]
    pub fn inverse(block: usize, order: BlockOrder) -> Self {
        Self { backwards: true, ..Self::new(block, order) }
    }

    fn moved(&self, x: &Value, backwards: bool) -> Result<Value> {
        let map = x.map()?;
        Ok(x.with_map(if backwards { self.function.inverse(&map)? } else { self.function.forward(&map)? }))
    }
}

impl Operator for DepthToSpace {
    fn kind(&self) -> Kind {
        Kind::other(if self.backwards { "space to depth" } else { "depth to space" })
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let ([c, h, w], b) = (map_shape(inputs[0])?, self.function.block);
        let Some(area) = b.checked_mul(b).filter(|area| *area > 0) else {
            bail!("blocks cannot have a side of {b}");
        };
        let shape = if self.backwards {
            (h.is_multiple_of(b) && w.is_multiple_of(b)).then(|| [c * area, h / b, w / b])
        } else {
            c.is_multiple_of(area).then(|| [c / area, h * b, w * b])
        };
        match shape {
            Some(shape) => Ok(shape_of_maps(inputs[0][0], shape)),
            None => bail!("a map of shape {:?} does not consist of blocks of {b} × {b}", inputs[0]),
        }
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        self.moved(&only(inputs)?, self.backwards)
    }

    fn vjp(&self, _: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![self.moved(&dy, !self.backwards)?])
    }

    fn rules(&self) -> Rules<'_> {
        Rules::MOVING
    }
}
