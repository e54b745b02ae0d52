//! Convolution as a matrix product over blocks of pixels.

use super::elementwise::clamp;
use super::gemm::rows_times_weights;
use super::nhwc::Nhwc;
use super::wide::wide;
use crate::kernels::Activation;
use crate::kernels::geometry::Window;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// Floats of gathered input a block may hold: half of a small L2 cache, the other half is for weights.
const GATHERED: usize = 96 * 1024;
/// Blocks a layer is cut into at least, where it has the pixels or channels for them.
const TASKS: usize = 8;

/// The weights of a convolution as the CPU kernels read them.
#[derive(Debug)]
pub struct PackedConv {
    /// Dense: `[kH·kW·I, O]`. Depthwise: `[kH·kW, C]`. The fastest axis is the output channel.
    weights: Vec<f32>,
    after: Epilogue,
    out_channels: usize,
    depthwise: bool,
}

impl PackedConv {
    /// Packs `weight` `[O, I/groups, kH, kW]`. Grouped weights that are not depthwise become a dense kernel with
    /// zeros between the groups.
    pub fn new(weight: &Tensor, scale: Option<&Tensor>, bias: Option<&Tensor>, groups: usize) -> Result<Self> {
        let (out, per_group, kh, kw) = weight.dims4()?;
        let source = weight.flatten_all()?.to_vec1::<f32>()?;
        let taps = kh * kw;
        let depthwise = groups > 1 && per_group == 1 && groups == out;
        let rows = if depthwise { 1 } else { per_group * groups };
        let mut weights = vec![0.0; taps * rows * out];
        for o in 0..out {
            let first = if depthwise { 0 } else { o / (out / groups) * per_group };
            for i in 0..per_group {
                for t in 0..taps {
                    weights[(t * rows + first + i) * out + o] = source[(o * per_group + i) * taps + t];
                }
            }
        }
        let vector = |v: Option<&Tensor>| v.map(Tensor::to_vec1::<f32>).transpose();
        let after = Epilogue { scale: vector(scale)?, bias: vector(bias)? };
        Ok(Self { weights, after, out_channels: out, depthwise })
    }

    /// The layer over every image of `x`.
    pub fn apply(&self, x: &Nhwc, window: &Window, activation: Option<Activation>) -> Nhwc {
        let cap = activation.map(Activation::cap);
        if self.depthwise {
            super::depthwise::apply(x, &self.weights, &self.after, window, cap)
        } else {
            self.dense(x, window, cap)
        }
    }

    fn dense(&self, x: &Nhwc, window: &Window, cap: Option<f32>) -> Nhwc {
        let (out_h, out_w, o) = (window.y.output, window.x.output, self.out_channels);
        let k = window.y.kernel * window.x.kernel * x.c;
        let pixels = x.n * out_h * out_w;
        let block = block_of_pixels(k, pixels);
        let blocks = pixels.div_ceil(block);
        let mut y = vec![0.0; pixels * o];
        if blocks >= TASKS || blocks * o <= 64 {
            y.par_chunks_mut(block * o).enumerate().for_each_init(Vec::new, |gathered, (b, y)| {
                self.block(x, window, b * block, [0, o], y, gathered, cap);
            });
        } else {
            // Few pixels: cut the channels too, and put the pieces together afterwards.
            let width = o.div_ceil(TASKS.div_ceil(blocks)).next_multiple_of(16);
            let pieces = o.div_ceil(width);
            let parts: Vec<Vec<f32>> = (0..blocks * pieces)
                .into_par_iter()
                .map_init(Vec::new, |gathered, task| {
                    let (b, first) = (task / pieces, task % pieces * width);
                    let rows = block.min(pixels - b * block);
                    let channels = [first, (first + width).min(o)];
                    let mut part = vec![0.0; rows * (channels[1] - first)];
                    self.block(x, window, b * block, channels, &mut part, gathered, cap);
                    part
                })
                .collect();
            y.par_chunks_mut(o).enumerate().with_min_len(16).for_each(|(p, pixel)| {
                let row = p % block;
                for (piece, to) in pixel.chunks_mut(width).enumerate() {
                    let from = &parts[p / block * pieces + piece];
                    to.copy_from_slice(&from[row * to.len()..(row + 1) * to.len()]);
                }
            });
        }
        Nhwc::new([x.n, out_h, out_w, o], y)
    }

    /// Output pixels from `first` on, output channels `from..to`, as many pixels as `y` holds.
    #[expect(clippy::too_many_arguments, reason = "one block of the loop above, which has these in hand")]
    fn block(
        &self,
        x: &Nhwc,
        window: &Window,
        first: usize,
        [from, to]: [usize; 2],
        y: &mut [f32],
        gathered: &mut Vec<f32>,
        cap: Option<f32>,
    ) {
        let channels = to - from;
        let rows = y.len() / channels;
        let k = window.y.kernel * window.x.kernel * x.c;
        let input = if window.is_pointwise() {
            &x.data()[first * k..(first + rows) * k]
        } else {
            gathered.resize(rows * k, 0.0);
            for (row, p) in gathered.chunks_mut(k).zip(first..) {
                gather(x, window, p, row);
            }
            &gathered[..rows * k]
        };
        rows_times_weights(y, input, &self.weights[from..], [rows, k, channels], self.out_channels);
        if self.after.is_nothing() && cap.is_none() {
            return;
        }
        finish(y, channels, &self.after, from, cap);
    }
}

wide! {
    /// The epilogue over pixels of `channels` channels from `first` on.
    const FUSED;
    fn finish(y: &mut [f32], channels: usize, after: &Epilogue, first: usize, cap: Option<f32>) {
        for pixel in y.chunks_mut(channels) {
            after.apply(pixel, first, cap);
        }
    }
}

/// What happens to a pixel's channels after the sum: scale · y + bias, then the rectifier.
#[derive(Debug)]
pub(super) struct Epilogue {
    scale: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
}

impl Epilogue {
    fn is_nothing(&self) -> bool {
        self.scale.is_none() && self.bias.is_none()
    }

    /// `pixel` holds the channels from `first` on.
    #[inline(always)]
    pub fn apply(&self, pixel: &mut [f32], first: usize, cap: Option<f32>) {
        if let Some(scale) = &self.scale {
            for (v, s) in pixel.iter_mut().zip(&scale[first..]) {
                *v *= s;
            }
        }
        if let Some(bias) = &self.bias {
            for (v, b) in pixel.iter_mut().zip(&bias[first..]) {
                *v += b;
            }
        }
        if let Some(cap) = cap {
            clamp(pixel, cap);
        }
    }
}

/// Pixels of one block: what keeps the gathered input in cache, rounded so that the matrix product's tiles fill.
fn block_of_pixels(k: usize, pixels: usize) -> usize {
    let fits = (GATHERED / k.max(1)).clamp(16, 512) / 16 * 16;
    let shared = pixels.div_ceil(TASKS).next_multiple_of(16);
    fits.min(shared).max(16)
}

/// The input that output pixel `p` reads, tap after tap, zeros where it reads padding.
fn gather(x: &Nhwc, window: &Window, p: usize, row: &mut [f32]) {
    let (out_h, out_w, c) = (window.y.output, window.x.output, x.c);
    let (image, oy, ox) = (p / (out_h * out_w), p / out_w % out_h, p % out_w);
    let width = window.x.kernel * c;
    for (ky, line) in row.chunks_mut(width).enumerate() {
        let Some(iy) = window.y.source(oy, ky) else {
            line.fill(0.0);
            continue;
        };
        let base = (image * x.h + iy) * x.w;
        for (kx, tap) in line.chunks_mut(c).enumerate() {
            match window.x.source(ox, kx) {
                Some(ix) => tap.copy_from_slice(&x.data()[(base + ix) * c..(base + ix + 1) * c]),
                None => tap.fill(0.0),
            }
        }
    }
}
