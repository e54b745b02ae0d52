//! 3×3 convolution of stride 1 by Winograd's minimal filtering F(4×4, 3×3) (Lavin & Gray 2015, arXiv:1509.09308):
//! 36 multiplications where the definition has 144.
//!
//! Tiles of 6×6 pixels, each 4 on from its neighbour, become 36 matrices `[tiles, C]` (Bᵀ d B), each is multiplied by
//! its own matrix `[C, O]` of transformed weights (G g Gᵀ), and the products become 4×4 pixels (Aᵀ m A). The points are
//! 0, ±1, ±2 and ∞. On activations of VGG16 a layer's relative error is about 1e-6 (docs/performance.md).

use crate::kernels::cpu::buffer::Buffer;
use crate::kernels::cpu::epilogue::{Epilogue, OutputTile};
use crate::kernels::cpu::gemm::{Panels, Product};
use crate::kernels::cpu::nhwc::Nhwc;
use crate::kernels::cpu::output::SharedOutput;
use crate::kernels::cpu::simd::{Simd, place, vectorised};
use crate::kernels::geometry::{Axis, Window};
use rayon::prelude::*;

/// Pixels of a tile's side in the output.
const SIDE: usize = 4;
/// Pixels of a tile's side in the input.
const SPAN: usize = 6;
/// Matrices.
const PARTS: usize = SPAN * SPAN;
/// Floats of transformed weights up to which every task goes through all of them: a share of the L2 cache.
const SMALL_WEIGHTS: usize = 192 * 1024;
/// Floats of transformed tiles (and as many products) that a task holds where the weights are small.
const IN_CACHE: usize = 64 * 1024;
/// Tiles that are transformed together where the weights are large: the weights are read once for all of them.
const TOGETHER: usize = 192;
/// Floats between two matrices beside what they hold, so that 36 of them do not share one set of the cache.
const SKEW: usize = 16;

/// A pixel of a tile that lies in the padding.
const NOWHERE: usize = usize::MAX;

/// Pixels of the output from which on the transform of weights pays in a single pass.
const PAYS_AT_ONCE: usize = 2048;

/// Whether a window is one that this serves, with weights that are used often, or `once`.
pub(super) fn serves(window: &Window, channels: usize, once: bool) -> bool {
    let every = |a: &Axis| a.kernel == 3 && a.stride == 1 && a.dilation == 1 && a.spread == 1 && a.pad >= 0;
    let axis = every(&window.y) && every(&window.x);
    // Tiles that mostly lie outside cost more than they save.
    let pays = !once || window.y.output * window.x.output >= PAYS_AT_ONCE;
    axis && channels >= 8 && window.y.output >= 3 && window.x.output >= 3 && pays
}

/// G g Gᵀ of every pair of channels: 36 matrices `[I, O]`. `weight(o, i)` is the kernel, row by row.
pub(super) fn pack(inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> [f32; 9] + Sync) -> Panels {
    const G: [[f64; 3]; SPAN] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    Panels::pack(PARTS, inputs, outputs, |i, o, into| {
        let g = weight(o, i).map(f64::from);
        for (gy, into) in G.iter().zip(into.chunks_mut(SPAN)) {
            let row: [f64; 3] = std::array::from_fn(|x| (0..3).map(|k| gy[k] * g[k * 3 + x]).sum());
            for (gx, into) in G.iter().zip(into) {
                *into = (0..3).map(|k| gx[k] * row[k]).sum::<f64>() as f32;
            }
        }
    })
}

/// The layer over every image of `x`.
pub(super) fn apply(x: &Nhwc, weights: &Panels, epilogue: Epilogue<'_>, window: &Window) -> Nhwc {
    let (out_h, out_w, o) = (window.y.output, window.x.output, weights.columns());
    let mut y = Buffer::any(x.n * out_h * out_w * o);
    epilogue.check(y.len(), o);
    assert_eq!(weights.rows(), x.c, "the weights fit the channels");
    // SAFETY: every pixel belongs to one tile, and every tile to one task at a time.
    let to = unsafe { SharedOutput::new(&mut y) };
    let grid = [out_h.div_ceil(SIDE), out_w.div_ceil(SIDE)];
    let layer = Layer { x, weights, epilogue, window, grid, to };
    let tiles = x.n * grid[0] * grid[1];
    if PARTS * x.c * o <= SMALL_WEIGHTS {
        let block = (IN_CACHE / (PARTS * x.c.max(o)) / 12 * 12).clamp(12, 96);
        let blocks = tiles.div_ceil(block);
        (0..blocks).into_par_iter().for_each(|b| layer.alone(b * block, ((b + 1) * block).min(tiles)));
    } else {
        let block = tiles.div_ceil(tiles.div_ceil(TOGETHER)).max(1);
        for first in (0..tiles).step_by(block) {
            layer.together(first, (first + block).min(tiles));
        }
    }
    Nhwc::new([x.n, out_h, out_w, o], y)
}

struct Layer<'a> {
    x: &'a Nhwc,
    weights: &'a Panels,
    epilogue: Epilogue<'a>,
    window: &'a Window,
    /// Tiles down and across an image.
    grid: [usize; 2],
    to: SharedOutput,
}

impl Layer<'_> {
    /// One task takes tiles `from..to` all the way.
    fn alone(&self, from: usize, to: usize) {
        let count = to - from;
        let (before, after) = (count * self.x.c + SKEW, count * self.weights.columns() + SKEW);
        let mut spread = Buffer::any(PARTS * before);
        let mut products = Buffer::any(PARTS * after);
        // SAFETY: these buffers are this task's own.
        let (into, sums) = unsafe { (SharedOutput::new(&mut spread), SharedOutput::new(&mut products)) };
        for tile in from..to {
            transform(self, tile, into, (tile - from) * self.x.c, before);
        }
        for part in 0..PARTS {
            self.multiply(&spread, part, count, [before, after], [0, self.weights.columns()], sums);
        }
        for tile in from..to {
            untransform(self, tile, &products, (tile - from) * self.weights.columns(), after);
        }
    }

    /// All tasks take tiles `from..to` together, step by step.
    fn together(&self, from: usize, to: usize) {
        let (count, o) = (to - from, self.weights.columns());
        let (before, after) = (count * self.x.c + SKEW, count * o + SKEW);
        let mut spread = Buffer::any(PARTS * before);
        let mut products = Buffer::any(PARTS * after);
        // SAFETY: each tile's values are one task's, then each part and range of columns is one task's.
        let (into, sums) = unsafe { (SharedOutput::new(&mut spread), SharedOutput::new(&mut products)) };
        (from..to).into_par_iter().with_min_len(4).for_each(|tile| {
            transform(self, tile, into, (tile - from) * self.x.c, before);
        });
        let spread = &*spread;
        // Each part's weights are read by one task, unless there are more threads than parts to keep busy.
        let pieces = (3 * rayon::current_num_threads()).div_ceil(PARTS);
        let width = o.div_ceil(pieces).next_multiple_of(self.weights.panel());
        let pieces = o.div_ceil(width);
        (0..PARTS * pieces).into_par_iter().for_each(|task| {
            let (part, column) = (task / pieces, task % pieces * width);
            self.multiply(spread, part, count, [before, after], [column, (column + width).min(o)], sums);
        });
        let products = &*products;
        (from..to).into_par_iter().with_min_len(4).for_each(|tile| {
            untransform(self, tile, products, (tile - from) * o, after);
        });
    }

    fn multiply(
        &self,
        spread: &[f32],
        part: usize,
        count: usize,
        [before, after]: [usize; 2],
        columns: [usize; 2],
        sums: SharedOutput,
    ) {
        let c = self.x.c;
        let product = Product {
            a: &spread[part * before..],
            lda: c,
            rows: count,
            parts: &[0],
            weights: self.weights,
            matrix: part,
            columns,
            channel: 0,
            at: part * after,
            ldc: self.weights.columns(),
            epilogue: Epilogue::default(),
        };
        product.run(sums);
    }

    /// Image, and the output row and column of a tile's first pixel.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let [down, across] = self.grid;
        [tile / (down * across), tile / across % down * SIDE, tile % across * SIDE]
    }
}

vectorised! {
    /// Bᵀ d B of one tile, into `into[at + part · step..]`.
    fn transform<S>(s: S, layer: &Layer<'_>, tile: usize, into: SharedOutput, at: usize, step: usize) {
        let (x, c) = (layer.x, layer.x.c);
        let [image, oy, ox] = layer.place(tile);
        let (iy, ix) = (oy.cast_signed() - layer.window.y.pad, ox.cast_signed() - layer.window.x.pad);
        // Where each pixel of the tile lies; nowhere in the padding.
        let mut places = [NOWHERE; PARTS];
        let mut all = true;
        for (i, place) in places.iter_mut().enumerate() {
            let (y, x_) = (iy + (i / SPAN).cast_signed(), ix + (i % SPAN).cast_signed());
            if y >= 0 && x_ >= 0 && y < x.h.cast_signed() && x_ < x.w.cast_signed() {
                *place = ((image * x.h + y.cast_unsigned()) * x.w + x_.cast_unsigned()) * c;
            } else {
                all = false;
            }
        }
        for channel in (0..c).step_by(S::LANES) {
            let n = (c - channel).min(S::LANES);
            // SAFETY: places lie inside the map, and the buffer has a row for each tile in each part.
            unsafe {
                let (from, to) = (x.data(), into);
                let at = [at + channel, step];
                match (all, n == S::LANES) {
                    (true, true) => spread_tile::<S, true, true>(s, from, &places, channel, to, at, n),
                    (false, true) => spread_tile::<S, false, true>(s, from, &places, channel, to, at, n),
                    _ => spread_tile::<S, false, false>(s, from, &places, channel, to, at, n),
                }
            }
        }
    }
}

vectorised! {
    /// Aᵀ m A of one tile, finished, into the output.
    fn untransform<S>(s: S, layer: &Layer<'_>, tile: usize, products: &[f32], at: usize, step: usize) {
        let o = layer.weights.columns();
        for channel in (0..o).step_by(S::LANES) {
            let n = (o - channel).min(S::LANES);
            // SAFETY: the products have a row for each tile in each part.
            unsafe {
                let at = [at + channel, step];
                if n == S::LANES {
                    gather_tile::<S, true>(s, layer, tile, products, at, channel, n);
                } else {
                    gather_tile::<S, false>(s, layer, tile, products, at, channel, n);
                }
            }
        }
    }
}

/// Bᵀ d B of a vector of channels: columns first, then rows.
///
/// # Safety
/// `n` floats can be read at each place + `channel`, and written at `at` + part · `step`.
#[inline(always)]
unsafe fn spread_tile<S: Simd, const ALL: bool, const FULL: bool>(
    s: S,
    from: &[f32],
    places: &[usize; PARTS],
    channel: usize,
    to: SharedOutput,
    [at, step]: [usize; 2],
    n: usize,
) {
    let mut half = [[s.splat(0.0); SPAN]; SPAN];
    for j in 0..SPAN {
        let mut d = [s.splat(0.0); SPAN];
        for i in 0..SPAN {
            let first = places[i * SPAN + j];
            if ALL || first != NOWHERE {
                // SAFETY: the caller's promise.
                d[i] = unsafe { s.load_if::<FULL>(place(from, first + channel, n), n) };
            }
        }
        let column = spread(s, d);
        for i in 0..SPAN {
            half[i][j] = column[i];
        }
    }
    for i in 0..SPAN {
        let row = spread(s, half[i]);
        for j in 0..SPAN {
            // SAFETY: the caller's promise.
            unsafe { s.store_if::<FULL>(to.at(at + (i * SPAN + j) * step, n), row[j], n) };
        }
    }
}

/// Aᵀ m A of a vector of channels, finished: columns first, then rows.
///
/// # Safety
/// `n` floats can be read at `at` + part · `step`.
#[inline(always)]
unsafe fn gather_tile<S: Simd, const FULL: bool>(
    s: S,
    layer: &Layer<'_>,
    tile: usize,
    from: &[f32],
    [at, step]: [usize; 2],
    channel: usize,
    n: usize,
) {
    let o = layer.weights.columns();
    let [image, oy, ox] = layer.place(tile);
    let (out_h, out_w) = (layer.window.y.output, layer.window.x.output);
    let (rows, columns) = ((out_h - oy).min(SIDE), (out_w - ox).min(SIDE));
    let mut half = [[s.splat(0.0); SPAN]; SIDE];
    for j in 0..SPAN {
        let mut m = [s.splat(0.0); SPAN];
        for i in 0..SPAN {
            // SAFETY: the caller's promise.
            m[i] = unsafe { s.load_if::<FULL>(place(from, at + (i * SPAN + j) * step, n), n) };
        }
        let column = gathered(s, m);
        for i in 0..SIDE {
            half[i][j] = column[i];
        }
    }
    for i in 0..rows {
        let row = gathered(s, half[i]).map(|v| [v]);
        let first = (((image * out_h + oy + i) * out_w) + ox) * o + channel;
        let pixels = OutputTile { channel, at: first, apart: o, rows: columns, n };
        // SAFETY: row and columns lie inside the output, which `apply` has checked the epilogue against.
        unsafe { layer.epilogue.write::<S, SIDE, 1>(s, row, layer.to, pixels) };
    }
}

/// Bᵀ d.
#[inline(always)]
fn spread<S: Simd>(s: S, d: [S::V; SPAN]) -> [S::V; SPAN] {
    let (two, four) = (s.splat(2.0), s.splat(4.0));
    let (minus_four, minus_five) = (s.splat(-4.0), s.splat(-5.0));
    let even = s.fma(minus_four, d[2], d[4]);
    let odd = s.fma(minus_four, d[1], d[3]);
    let near = s.sub(d[4], d[2]);
    let twice = s.mul(two, s.sub(d[3], d[1]));
    [
        s.fma(four, d[0], s.fma(minus_five, d[2], d[4])),
        s.add(even, odd),
        s.sub(even, odd),
        s.add(near, twice),
        s.sub(near, twice),
        s.fma(four, d[1], s.fma(minus_five, d[3], d[5])),
    ]
}

/// Aᵀ m.
#[inline(always)]
fn gathered<S: Simd>(s: S, m: [S::V; SPAN]) -> [S::V; SIDE] {
    let (two, four, eight) = (s.splat(2.0), s.splat(4.0), s.splat(8.0));
    let (sum, difference) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (far_sum, far_difference) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(s.add(m[0], sum), far_sum),
        s.fma(two, far_difference, difference),
        s.fma(four, far_sum, sum),
        s.add(s.fma(eight, far_difference, difference), m[5]),
    ]
}
