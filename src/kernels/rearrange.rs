//! Padding, slices, gathers of channels, and blocks of places that become channels.

use super::Map;
use super::separable::{AxisMap, Separable, axis_length};
use super::size::checked_len;
use candle_core::{Result, Tensor};

/// What lies outside a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// This value.
    Constant(f32),
    /// The map mirrored at its outermost values, which are not repeated; as often as it takes.
    Reflect,
    /// The outermost value.
    Edge,
    /// The map again, from its other end.
    Wrap,
}

impl PadMode {
    /// What is read at place `at` of an axis of `length` ≥ 1.
    fn source(self, at: i128, length: usize) -> Option<usize> {
        let n = length as i128;
        let inside = match self {
            Self::Constant(_) => return usize::try_from(at).ok().filter(|at| *at < length),
            Self::Edge => at.clamp(0, n - 1),
            Self::Wrap => at.rem_euclid(n),
            Self::Reflect => {
                let period = (2 * (n - 1)).max(1);
                let at = at.rem_euclid(period);
                at.min(period - at)
            }
        };
        usize::try_from(inside).ok()
    }
}

/// Padding before and behind channels, rows and columns; a negative pad takes away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pad {
    /// Before and behind C, H and W.
    pub pads: [[isize; 2]; 3],
    /// What lies there.
    pub mode: PadMode,
}

impl Pad {
    /// The padding of a map `[C, H, W]`.
    ///
    /// # Errors
    /// If nothing would be left, or more than can be held.
    pub fn separable(&self, shape: [usize; 3]) -> Result<Separable> {
        let along = |axis: usize| {
            let (n, [before, behind]) = (shape[axis], self.pads[axis].map(|pad| pad as i128));
            axis_length(n as i128)?;
            let output = axis_length(n as i128 + before + behind)?;
            AxisMap::copied(n, (0..output).map(|at| self.mode.source(at as i128 - before, n)))
        };
        let fill = if let PadMode::Constant(value) = self.mode { value } else { 0.0 };
        Separable::new([along(0)?, along(1)?, along(2)?], fill)
    }
}

/// A part of an axis, as ONNX and Python count: from `start` to before `end`, every `step`th. Negative numbers count from
/// the end; what lies outside is the nearest end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The first index.
    pub start: i64,
    /// The index at which it has ended; [`i64::MIN`] takes a backward walk down to index 0.
    pub end: i64,
    /// From one index to the next; negative goes backwards, 0 is an error.
    pub step: i64,
}

impl Steps {
    /// All of an axis.
    pub const ALL: Self = Self { start: 0, end: i64::MAX, step: 1 };

    /// These indices of an axis, in order.
    fn of(self, length: usize) -> Result<Vec<usize>> {
        let (n, step) = (length as i128, i128::from(self.step));
        if step == 0 {
            candle_core::bail!("a slice cannot have a step of 0");
        }
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let place = |at: i64| {
            let at = i128::from(at);
            (if at < 0 { at + n } else { at }).clamp(low, high)
        };
        let (mut at, end) = (place(self.start), place(self.end));
        let mut indices = Vec::new();
        while (step > 0 && at < end) || (step < 0 && at > end) {
            indices.extend(usize::try_from(at).ok());
            at += step;
        }
        Ok(indices)
    }
}

/// A part of the channels, rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Of C, H and W.
    pub steps: [Steps; 3],
}

impl Slice {
    /// The channels from `start` on, `count` of them.
    #[must_use]
    pub fn channels(start: usize, count: usize) -> Self {
        let bound = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        let steps = Steps { start: bound(start), end: bound(start.saturating_add(count)), step: 1 };
        Self { steps: [steps, Steps::ALL, Steps::ALL] }
    }

    /// The slice of a map `[C, H, W]`.
    ///
    /// # Errors
    /// If a step is 0 or nothing is left.
    pub fn separable(&self, shape: [usize; 3]) -> Result<Separable> {
        let along = |axis: usize| {
            let indices = self.steps[axis].of(shape[axis])?;
            axis_length(indices.len() as i128)?;
            AxisMap::copied(shape[axis], indices.into_iter().map(Some))
        };
        Separable::new([along(0)?, along(1)?, along(2)?], 0.0)
    }
}

/// Channel i of the result is channel `indices[i]` of a map `[C, H, W]`.
///
/// # Errors
/// If there is no such channel, or none is asked for.
pub fn gather_channels([c, h, w]: [usize; 3], indices: &[usize]) -> Result<Separable> {
    axis_length(indices.len() as i128)?;
    let all = |n: usize| AxisMap::copied(n, (0..n).map(Some));
    let channels = AxisMap::copied(c, indices.iter().map(|index| Some(*index)))?;
    Separable::new([channels, all(h)?, all(w)?], 0.0)
}

/// The channel order of a shuffle (Zhang et al. 2017): `groups` × C/groups, transposed.
///
/// # Errors
/// If the channels do not make as many groups of one size.
pub fn shuffled_channels(channels: usize, groups: usize) -> Result<Vec<usize>> {
    if !channels.is_multiple_of(groups) {
        candle_core::bail!("{channels} channels do not make {groups} groups of one size");
    }
    let each = channels / groups;
    Ok((0..channels).map(|i| i % groups * each + i / groups).collect())
}

/// Which of a pixel's channels belong to which place of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOrder {
    /// `[block row, block column, channel]`: ONNX's DCR, TensorFlow's.
    PlaceFirst,
    /// `[channel, block row, block column]`: ONNX's CRD, PyTorch's pixel shuffle.
    ChannelFirst,
}

/// Each pixel's channels become a block of pixels: `[C·b², H, W]` to `[C, H·b, W·b]`. The other way round it is space to
/// depth; each is the other's vjp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthToSpace {
    /// Side of a block, b.
    pub block: usize,
    /// Which channels go where.
    pub order: BlockOrder,
}

impl DepthToSpace {
    fn area(self) -> Result<usize> {
        match self.block.checked_mul(self.block) {
            Some(area) if area > 0 => Ok(area),
            _ => candle_core::bail!("blocks cannot have a side of {}", self.block),
        }
    }

    /// Channels into blocks.
    ///
    /// # Errors
    /// If the channels do not make blocks.
    pub fn forward(&self, x: &Map) -> Result<Map> {
        let (area, [n, c, h, w]) = (self.area()?, x.shape());
        if c % area != 0 {
            candle_core::bail!("{c} channels do not make blocks of {0} × {0}", self.block);
        }
        let b = self.block;
        match x {
            Map::Cpu(x) => Ok(Map::Cpu(x.depth_to_space(*self))),
            Map::Candle(x) => {
                let (shape, order) = match self.order {
                    BlockOrder::PlaceFirst => ([n, b, b, c / area, h, w], [0, 3, 4, 1, 5, 2]),
                    BlockOrder::ChannelFirst => ([n, c / area, b, b, h, w], [0, 1, 4, 2, 5, 3]),
                };
                Ok(Map::Candle(moved(x, &shape, &order, [n, c / area, h * b, w * b])?))
            }
        }
    }

    /// Blocks into channels.
    ///
    /// # Errors
    /// If height or width are not whole blocks.
    pub fn inverse(&self, x: &Map) -> Result<Map> {
        let (area, [n, c, h, w]) = (self.area()?, x.shape());
        let b = self.block;
        if h % b != 0 || w % b != 0 {
            candle_core::bail!("a map of {w}×{h} pixels does not consist of blocks of {b} × {b}");
        }
        let Some(deep) = c.checked_mul(area) else {
            candle_core::bail!("{c} channels of blocks of {b} × {b} are too many");
        };
        checked_len([n, deep, h / b, w / b])?;
        match x {
            Map::Cpu(x) => Ok(Map::Cpu(x.space_to_depth(*self))),
            Map::Candle(x) => {
                let shape = [n, c, h / b, b, w / b, b];
                let order = match self.order {
                    BlockOrder::PlaceFirst => [0, 3, 5, 1, 2, 4],
                    BlockOrder::ChannelFirst => [0, 1, 3, 5, 2, 4],
                };
                Ok(Map::Candle(moved(x, &shape, &order, [n, deep, h / b, w / b])?))
            }
        }
    }
}

fn moved(x: &Tensor, split: &[usize], order: &[usize], to: [usize; 4]) -> Result<Tensor> {
    x.reshape(split)?.permute(order)?.reshape(to.to_vec())?.contiguous()
}
