//! Convolution as a matrix product whose rows are the windows: where they lie if they lie there as the product reads them,
//! gathered if they do not. Each group of channels is a matrix of its own.

use crate::kernels::cpu::buffer::Buffer;
use crate::kernels::cpu::epilogue::Epilogue;
use crate::kernels::cpu::gemm::{Panels, Product};
use crate::kernels::cpu::nhwc::Nhwc;
use crate::kernels::cpu::output::SharedOutput;
use crate::kernels::geometry::Window;
use rayon::prelude::*;

/// Floats of gathered input a block may hold: half of a small L2 cache, the other half is for weights.
const GATHERED: usize = 96 * 1024;
/// Output pixels a line from which on the product reads windows where they lie.
const WIDE: usize = 12;

/// One matrix `[kH·kW·I/groups, O/groups]` for each group; `weight(group, o, i, tap)` is a number of it.
pub(super) fn pack(
    groups: usize,
    taps: usize,
    inputs: usize,
    outputs: usize,
    weight: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
) -> Panels {
    Panels::pack(groups, taps * inputs, outputs, |r, o, into| {
        for (group, into) in into.iter_mut().enumerate() {
            *into = weight(group, o, r % inputs, r / inputs);
        }
    })
}

/// What [`pack`] was given: the weight of a group's output, input and tap.
pub(super) fn unpack(packed: &Panels, inputs: usize) -> impl Fn(usize, usize, usize, usize) -> f32 {
    move |group, o, i, tap| packed.value(group, tap * inputs + i, o)
}

/// The layer over every image of `x`, with weights of [`pack`] for `groups` groups. The window does not spread.
pub(super) fn apply(x: &Nhwc, weights: &Panels, groups: usize, epilogue: Epilogue<'_>, window: &Window) -> Nhwc {
    let (out_h, out_w, o) = (window.y.output, window.x.output, groups * weights.columns());
    let mut y = Buffer::any(x.n * out_h * out_w * o);
    epilogue.check(y.len(), o);
    assert_eq!(weights.rows(), window.y.kernel * window.x.kernel * (x.c / groups), "the weights fit the channels");
    assert!(window.y.spread == 1 && window.x.spread == 1, "the window does not spread");
    // SAFETY: tasks write different rows or columns.
    let to = unsafe { SharedOutput::new(&mut y) };
    let layer = Layer { x, weights, groups, epilogue, window, to };
    if window.is_pointwise() || out_w < WIDE {
        layer.by_blocks();
    } else {
        layer.by_lines();
    }
    Nhwc::new([x.n, out_h, out_w, o], y)
}

struct Layer<'a> {
    x: &'a Nhwc,
    weights: &'a Panels,
    groups: usize,
    epilogue: Epilogue<'a>,
    window: &'a Window,
    to: SharedOutput,
}

impl Layer<'_> {
    /// Products over blocks of pixels, whose input is gathered unless it lies as the product wants it.
    fn by_blocks(&self) {
        let (x, window) = (self.x, self.window);
        let pixels = x.n * window.y.output * window.x.output;
        let (pointwise, taps, o) = (window.is_pointwise(), window.y.kernel * window.x.kernel, self.weights.columns());
        let k = taps * x.c;
        // Taps of all channels lie side by side; those of a group do not.
        let parts: Vec<usize> = if self.groups == 1 { vec![0] } else { (0..taps).map(|tap| tap * x.c).collect() };
        let Block { rows, columns } = Block::of(pixels, k, self.weights, self.groups, pointwise);
        let (blocks, pieces) = (pixels.div_ceil(rows), o.div_ceil(columns));
        (0..blocks * pieces).into_par_iter().for_each(|task| {
            let (first, column) = (task / pieces * rows, task % pieces * columns);
            let rows = rows.min(pixels - first);
            let gathered;
            let a = if pointwise {
                &x.data()[first * k..(first + rows) * k]
            } else {
                gathered = gather(x, window, first, rows, k);
                &*gathered
            };
            self.multiply(a, k, rows, &parts, first, [column, (column + columns).min(o)]);
        });
    }

    /// A product for each line of the output, whose rows are the windows themselves: they overlap, one line of the kernel
    /// (or one tap, where taps do not lie side by side) after the other.
    fn by_lines(&self) {
        let (y, x, groups) = (&self.window.y, &self.window.x, self.groups);
        let padded = self.x.padded(self.window);
        let (row, c) = (padded.row(), padded.c);
        let side_by_side = groups == 1 && x.dilation == 1;
        let across = if side_by_side { 1 } else { x.kernel };
        let parts: Vec<usize> = (0..y.kernel)
            .flat_map(|ky| (0..across).map(move |kx| ky * y.dilation * row + kx * x.dilation * c))
            .collect();
        // A gradient's window may begin inside the map.
        let inside = |pad: isize| (-pad).max(0).cast_unsigned();
        let (top, left) = (inside(y.pad), inside(x.pad));
        (0..self.x.n * y.output).into_par_iter().with_min_len(2).for_each(|line| {
            let (image, oy) = (line / y.output, line % y.output);
            let a = &padded.data()[(image * padded.h + top + oy * y.stride) * row + left * c..];
            self.multiply(a, x.stride * c, x.output, &parts, line * x.output, [0, self.weights.columns()]);
        });
    }

    /// The product of every group over `rows` pixels from `first` on, which read `a`.
    fn multiply(&self, a: &[f32], lda: usize, rows: usize, parts: &[usize], first: usize, columns: [usize; 2]) {
        let (inputs, o) = (self.x.c / self.groups, self.weights.columns());
        let ldc = self.groups * o;
        for group in 0..self.groups {
            let channel = group * o;
            let (a, at) = (&a[group * inputs..], first * ldc + channel);
            let (weights, matrix, epilogue) = (self.weights, group, self.epilogue);
            Product { a, lda, rows, parts, weights, matrix, columns, channel, at, ldc, epilogue }.run(self.to);
        }
    }
}

/// The part of a product that is one task's.
struct Block {
    rows: usize,
    columns: usize,
}

impl Block {
    /// Rows of a block are the multiple of every tile's rows.
    const TILE: usize = 12;

    fn of(pixels: usize, k: usize, weights: &Panels, groups: usize, pointwise: bool) -> Self {
        let tasks = (4 * rayon::current_num_threads()).max(8);
        let o = weights.columns();
        let whole = pixels.next_multiple_of(Self::TILE);
        let fits = if pointwise { whole } else { (GATHERED / k.max(1)).clamp(Self::TILE, 512) };
        // Whichever matrix is the larger is read once; the other goes through the caches for every task.
        if groups == 1 && o > pixels && o > weights.panel() && pixels * k <= 2 * GATHERED {
            let columns = o.div_ceil(tasks).next_multiple_of(weights.panel());
            return Self { rows: whole.min(fits.next_multiple_of(Self::TILE)), columns };
        }
        let rows = pixels.div_ceil(tasks).next_multiple_of(Self::TILE);
        Self { rows: rows.min(fits / Self::TILE * Self::TILE), columns: o.next_multiple_of(weights.panel()) }
    }
}

/// The input that output pixels from `first` on read, tap after tap, zeros where they read padding.
fn gather(x: &Nhwc, window: &Window, first: usize, rows: usize, k: usize) -> Buffer {
    let (out_h, out_w) = (window.y.output, window.x.output);
    let width = window.x.kernel * x.c;
    let mut gathered = Buffer::any(rows * k);
    for (row, p) in gathered.chunks_mut(k).zip(first..) {
        let (image, oy, ox) = (p / (out_h * out_w), p / out_w % out_h, p % out_w);
        for (ky, line) in row.chunks_mut(width).enumerate() {
            match window.y.source(oy, ky) {
                Some(iy) => gather_line(x, window, (image * x.h + iy) * x.row(), ox, line),
                None => line.fill(0.0),
            }
        }
    }
    gathered
}

/// What a line of the kernel reads of the line of pixels that begins at `start`.
fn gather_line(x: &Nhwc, window: &Window, start: usize, ox: usize, line: &mut [f32]) {
    let (c, axis) = (x.c, &window.x);
    if axis.dilation > 1 {
        for (kx, tap) in line.chunks_mut(c).enumerate() {
            match axis.source(ox, kx) {
                Some(ix) => tap.copy_from_slice(&x.data()[start + ix * c..][..c]),
                None => tap.fill(0.0),
            }
        }
        return;
    }
    // Taps from..to lie inside the map.
    let left = (ox * axis.stride).cast_signed() - axis.pad;
    let from = left.min(0).unsigned_abs().min(axis.kernel);
    let to = (x.w.cast_signed() - left).max(0).cast_unsigned().min(axis.kernel).max(from);
    line[..from * c].fill(0.0);
    if from < to {
        let at = start + (left + from.cast_signed()).cast_unsigned() * c;
        line[from * c..to * c].copy_from_slice(&x.data()[at..at + (to - from) * c]);
    }
    line[to * c..].fill(0.0);
}
