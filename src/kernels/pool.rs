//! Pooling layers.

use super::geometry::{Window, WindowShape};
use super::{Gate, Map, Padding, candle_ops, cpu};
use candle_core::Result;

/// Taps of a window up to which a float numbers them.
const MOST_TAPS: usize = 1 << 24;

/// The window over a map `[N, C, H, W]`, if it is one that pools.
fn window_over(shape: &WindowShape, [n, c, h, w]: [usize; 4]) -> Result<Window> {
    let window = shape.over((h, w))?;
    let extents = [window.y.extent(), window.x.extent()];
    if let Padding::Explicit(pads) = shape.padding
        && let Some((side, pad)) = pads.iter().enumerate().find(|(side, pad)| **pad >= extents[side % 2])
    {
        candle_core::bail!("a padding of {pad} pixels is not smaller than a pooling window of {}", extents[side % 2]);
    }
    if shape.kernel[0] * shape.kernel[1] > MOST_TAPS {
        candle_core::bail!("a pooling window of {:?} pixels is larger than {MOST_TAPS} in all", shape.kernel);
    }
    window.fits(n, c, c)?;
    Ok(window)
}

/// `[C, H, W]` of the output for an input `[C, H, W]`.
fn pooled_shape(shape: &WindowShape, [c, h, w]: [usize; 3]) -> Result<[usize; 3]> {
    let window = window_over(shape, [1, c, h, w])?;
    Ok([c, window.y.output, window.x.output])
}

/// What is done to ∂x on candle tensors, as an epilogue does it on this crate's maps.
fn finished(dx: Map, onto: Option<&Map>, gate: Option<Gate<'_>>) -> Result<Map> {
    let dx = match onto {
        Some(onto) => dx.accumulate(onto)?,
        None => dx,
    };
    match gate {
        Some(gate) => gate.activation.vjp(gate.y, dx, gate.rule),
        None => Ok(dx),
    }
}

fn epilogue<'a>(onto: Option<&'a Map>, gate: Option<Gate<'a>>) -> Result<cpu::Epilogue<'a>> {
    let add = onto.map(Map::cpu).transpose()?.map(cpu::Nhwc::data);
    let gate = gate.map(Gate::cpu).transpose()?;
    Ok(cpu::Epilogue { add, gate, ..cpu::Epilogue::default() })
}

/// The largest value of each window; padding counts as −∞. Ties go to the first pixel in reading order, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// What it is taken over. Paddings are smaller than the window.
    pub window: WindowShape,
}

impl MaxPool {
    /// `[C, H, W]` of the output for an input `[C, H, W]`.
    ///
    /// # Errors
    /// If the input is smaller than one window, or a number of the window is out of range.
    pub fn output_shape(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        pooled_shape(&self.window, input)
    }

    /// The largest value of each window.
    ///
    /// # Errors
    /// As [`MaxPool::output_shape`].
    pub fn forward(&self, x: &Map) -> Result<Map> {
        let window = window_over(&self.window, x.shape())?;
        match x {
            Map::Cpu(x) => Ok(Map::Cpu(x.max_pool(&window))),
            Map::Candle(x) => Ok(Map::Candle(candle_ops::max_pool(x, &window)?)),
        }
    }

    /// ∂x from the layer's input and ∂y: each ∂y goes to the pixel that was the largest of its window.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn vjp(&self, x: &Map, dy: &Map) -> Result<Map> {
        self.vjp_through(x, dy, None, None)
    }

    /// [`MaxPool::vjp`] with what else arrives at x added, and passed on through the rectifier that made x, in the same
    /// pass.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn vjp_through(&self, x: &Map, dy: &Map, onto: Option<&Map>, gate: Option<Gate<'_>>) -> Result<Map> {
        let [n, c, _, _] = x.shape();
        let window = window_over(&self.window, x.shape())?;
        dy.must_be([n, c, window.y.output, window.x.output])?;
        for map in onto.into_iter().chain(gate.map(|g| g.y)) {
            map.must_be(x.shape())?;
        }
        match (x, dy) {
            (Map::Cpu(x), Map::Cpu(dy)) => Ok(Map::Cpu(x.max_pool_vjp(dy, &window, epilogue(onto, gate)?))),
            (Map::Candle(x), Map::Candle(dy)) => {
                finished(Map::Candle(candle_ops::max_pool_vjp(x, dy, &window)?), onto, gate)
            }
            _ => Err(super::map::mixed()),
        }
    }
}

/// The mean of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvgPool {
    /// What it is taken over. Paddings are smaller than the window.
    pub window: WindowShape,
    /// Whether pixels of the padding count, as zeros. Those that a partial window (`ceil`) reads behind it never do.
    pub count_include_pad: bool,
}

impl AvgPool {
    /// `[C, H, W]` of the output for an input `[C, H, W]`.
    ///
    /// # Errors
    /// If the input is smaller than one window, or a number of the window is out of range.
    pub fn output_shape(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        pooled_shape(&self.window, input)
    }

    /// The mean of each window.
    ///
    /// # Errors
    /// As [`AvgPool::output_shape`].
    pub fn forward(&self, x: &Map) -> Result<Map> {
        let window = window_over(&self.window, x.shape())?;
        let counts = self.counts(&window);
        match x {
            Map::Cpu(x) => Ok(Map::Cpu(x.avg_pool(&window, &counts))),
            Map::Candle(x) => Ok(Map::Candle(candle_ops::avg_pool(x, &window, &counts)?)),
        }
    }

    /// ∂x from ∂y, for an input of height and width `input`: each ∂y is spread evenly over its window.
    ///
    /// # Errors
    /// If ∂y does not have the shape of this layer's output.
    pub fn vjp(&self, input: (usize, usize), dy: &Map) -> Result<Map> {
        self.vjp_through(input, dy, None, None)
    }

    /// [`AvgPool::vjp`] with what else arrives at x added, and passed on through the rectifier that made x, in the same
    /// pass.
    ///
    /// # Errors
    /// If ∂y does not have the shape of this layer's output, or the others that of its input.
    pub fn vjp_through(
        &self,
        input: (usize, usize),
        dy: &Map,
        onto: Option<&Map>,
        gate: Option<Gate<'_>>,
    ) -> Result<Map> {
        let [n, c, _, _] = dy.shape();
        let window = window_over(&self.window, [n, c, input.0, input.1])?;
        dy.must_be([n, c, window.y.output, window.x.output])?;
        for map in onto.into_iter().chain(gate.map(|g| g.y)) {
            map.must_be([n, c, input.0, input.1])?;
        }
        let counts = self.counts(&window);
        match dy {
            Map::Cpu(dy) => Ok(Map::Cpu(dy.avg_pool_vjp(&window, &counts, epilogue(onto, gate)?))),
            Map::Candle(dy) => finished(Map::Candle(candle_ops::avg_pool_vjp(dy, &window, &counts)?), onto, gate),
        }
    }

    /// Pixels that count of each window, down and across: those of a window are a product of two.
    fn counts(&self, window: &Window) -> [Vec<f32>; 2] {
        let of = |axis: usize| {
            let a = [&window.y, &window.x][axis];
            let after = if self.count_include_pad { self.window.sides(axis, a.input)[1] } else { 0 };
            let before = if self.count_include_pad { a.pad.unsigned_abs() } else { 0 };
            (0..a.output).map(|o| a.taps_within(o, before, after).len() as f32).collect()
        };
        [of(0), of(1)]
    }
}

/// The mean over all pixels of each channel: `[N, C, H, W]` → `[N, C, 1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalAvgPool;

impl GlobalAvgPool {
    /// The mean over height and width.
    ///
    /// # Errors
    /// If candle cannot allocate the result.
    pub fn forward(self, x: &Map) -> Result<Map> {
        match x {
            Map::Cpu(x) => Ok(Map::Cpu(x.global_mean())),
            Map::Candle(x) => Ok(Map::Candle(x.mean_keepdim((2, 3))?)),
        }
    }

    /// ∂y `[N, C, 1, 1]` spread evenly over `input` = (H, W).
    ///
    /// # Errors
    /// If ∂y is not one pixel, or the input too large for any memory.
    pub fn vjp(self, (h, w): (usize, usize), dy: &Map) -> Result<Map> {
        let [n, c, _, _] = dy.shape();
        dy.must_be([n, c, 1, 1])?;
        WindowShape { kernel: [h, w], ..WindowShape::square(1, 1) }.over((h, w))?.fits(n, c, c)?;
        match dy {
            Map::Cpu(dy) => Ok(Map::Cpu(dy.spread_mean(h, w))),
            Map::Candle(dy) => {
                let scaled = (dy / (h * w) as f64)?;
                Ok(Map::Candle(scaled.broadcast_as((n, c, h, w))?.contiguous()?))
            }
        }
    }
}
