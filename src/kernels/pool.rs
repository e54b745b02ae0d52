//! Pooling layers.

use super::geometry::Window;
use super::{Gate, Map, Padding, candle_ops, cpu};
use candle_core::Result;

/// Max-pooling with any square kernel, stride, padding and ceil mode. Ties go to the first pixel in reading
/// order, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// Side of the window in pixels.
    pub kernel: usize,
    /// Step between windows in pixels.
    pub stride: usize,
    /// Pixels of padding (−∞) on each side.
    pub padding: usize,
    /// Whether a last, partial window counts.
    pub ceil: bool,
}

impl MaxPool {
    /// `[C, H, W]` of the output for an input `[C, H, W]`.
    ///
    /// # Errors
    /// If the input is smaller than one window.
    pub fn output_shape(&self, [c, h, w]: [usize; 3]) -> Result<[usize; 3]> {
        let window = self.window((h, w));
        if window.y.output == 0 || window.x.output == 0 {
            candle_core::bail!("a map of {w}×{h} pixels is smaller than a pooling window of {}", self.kernel);
        }
        Ok([c, window.y.output, window.x.output])
    }

    /// The largest value of each window.
    ///
    /// # Errors
    /// If the input is smaller than one window.
    pub fn forward(&self, x: &Map) -> Result<Map> {
        let [_, c, h, w] = x.shape();
        self.output_shape([c, h, w])?;
        let window = self.window((h, w));
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
        let [n, c, h, w] = x.shape();
        let window = self.window((h, w));
        dy.must_be([n, c, window.y.output, window.x.output])?;
        for map in onto.into_iter().chain(gate.map(|g| g.y)) {
            map.must_be(x.shape())?;
        }
        match (x, dy) {
            (Map::Cpu(x), Map::Cpu(dy)) => {
                let add = onto.map(Map::cpu).transpose()?.map(cpu::Nhwc::data);
                let gate = gate.map(super::activation::Gate::cpu).transpose()?;
                Ok(Map::Cpu(x.max_pool_vjp(dy, &window, cpu::Epilogue { add, gate, ..cpu::Epilogue::default() })))
            }
            (Map::Candle(x), Map::Candle(dy)) => {
                let mut dx = candle_ops::max_pool_vjp(x, dy, &window)?;
                if let Some(onto) = onto {
                    dx = (dx + onto.candle()?)?;
                }
                match gate {
                    Some(gate) => gate.activation.vjp(gate.y, Map::Candle(dx), gate.rule),
                    None => Ok(Map::Candle(dx)),
                }
            }
            _ => Err(super::map::mixed()),
        }
    }

    fn window(&self, input: (usize, usize)) -> Window {
        let kernel = (self.kernel, self.kernel);
        Window::forward(input, kernel, self.stride, Padding::Explicit(self.padding), self.ceil)
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

    /// ∂y spread evenly over `input` = (H, W).
    ///
    /// # Errors
    /// If candle cannot allocate the result.
    pub fn vjp(self, (h, w): (usize, usize), dy: &Map) -> Result<Map> {
        match dy {
            Map::Cpu(dy) => Ok(Map::Cpu(dy.spread_mean(h, w))),
            Map::Candle(dy) => {
                let (n, c, _, _) = dy.dims4()?;
                let scaled = (dy / (h * w) as f64)?;
                Ok(Map::Candle(scaled.broadcast_as((n, c, h, w))?.contiguous()?))
            }
        }
    }
}
