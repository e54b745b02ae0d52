//! Depthwise convolution, a vector of channels at a time.
//!
//! The pixels that a band of output lines reads are laid out anew, a vector a pixel with zeros where padding is, so that
//! the sums run over the L1 cache without a question about borders. A gradient of a stride is done in phases: outputs
//! that are `spread` apart read the same taps.

use super::buffer::Buffer;
use super::ending::Ending;
use super::gemm::{Output, lanes};
use super::nhwc::Nhwc;
use super::simd::{Simd, place, vectorised};
use crate::kernels::geometry::{Axis, Window};
use rayon::prelude::*;

/// Output pixels whose sums stay in registers together: the sides of most feature maps are its multiples.
const TILE: usize = 7;
/// Bytes of laid out pixels: of the L1 cache or little more, where lines are wide and read by their neighbours too.
const IN_CACHE: usize = 48 * 1024;
/// Multiply–accumulates a task has at least.
const TASK: usize = 256 * 1024;

/// `weights` is `[kH·kW, C]`; the same loops serve the forward pass and, with the kernel rotated, the gradient.
pub(super) fn apply(x: &Nhwc, weights: &[f32], ending: Ending<'_>, window: &Window) -> Nhwc {
    let (out_h, out_w, c) = (window.y.output, window.x.output, x.c);
    let taps = window.y.kernel * window.x.kernel;
    assert_eq!(weights.len(), taps * c, "a weight for every tap and channel");
    let mut y = Buffer::any(x.n * out_h * out_w * c);
    ending.check(y.len(), c);
    // SAFETY: each task has its own lines and channels.
    let to = unsafe { Output::new(&mut y) };
    let wide = Reach::of(&window.x, 0, out_w.next_multiple_of(TILE * window.x.spread));
    // A multiple of the phases, so that every band has the same ones.
    let lines = (1..=out_h)
        .take_while(|&lines| Reach::of(&window.y, 0, lines).len * wide.len * lanes() * size_of::<f32>() <= IN_CACHE)
        .last()
        .unwrap_or(1)
        .next_multiple_of(window.y.spread)
        .min(out_h.max(1));
    let bands = out_h.div_ceil(lines);
    let vectors = c.div_ceil(lanes());
    let vectors_a_task = (TASK / (lines * out_w * taps * lanes()).max(1)).clamp(1, vectors.max(1));
    let groups = vectors.div_ceil(vectors_a_task);
    let layer = Layer { x, weights, window, ending, to };
    (0..x.n * bands * groups).into_par_iter().for_each(|task| {
        let (image, band, group) = (task / (bands * groups), task / groups % bands, task % groups);
        let lines = [band * lines, ((band + 1) * lines).min(out_h)];
        let channels = [group * vectors_a_task * lanes(), ((group + 1) * vectors_a_task * lanes()).min(c)];
        let rows = Reach::of(&window.y, lines[0], lines[1]);
        let mut laid = Buffer::any(rows.len * wide.len * lanes());
        let mut kernel = Buffer::any(taps * lanes());
        one_band(&layer, image, lines, channels, [rows, wide], &mut laid, &mut kernel);
    });
    Nhwc::new([x.n, out_h, out_w, c], y)
}

struct Layer<'a> {
    x: &'a Nhwc,
    weights: &'a [f32],
    window: &'a Window,
    ending: Ending<'a>,
    to: Output,
}

/// The input places, padding included, that a range of outputs reads.
#[derive(Clone, Copy)]
struct Reach {
    first: isize,
    len: usize,
}

impl Reach {
    fn of(a: &Axis, from: usize, to: usize) -> Self {
        let spread = a.spread.cast_signed();
        let first = ((from * a.stride).cast_signed() - a.pad).div_euclid(spread);
        let last = (((to.max(1) - 1) * a.stride + a.kernel - 1).cast_signed() - a.pad).div_euclid(spread);
        Self { first, len: (last - first + 1).max(1).cast_unsigned() }
    }
}

/// A tap of one phase: the input place of the phase's first output, counted from the reach's first, and its index.
#[derive(Clone, Copy, Default)]
struct Tap {
    place: usize,
    index: usize,
}

/// The taps that output `from` and those `spread` after it read.
#[inline(always)]
fn taps(a: &Axis, reach: Reach, from: usize, into: &mut [Tap; LARGEST]) -> usize {
    let mut count = 0;
    for index in 0..a.kernel {
        let v = (from * a.stride + index).cast_signed() - a.pad;
        if v.rem_euclid(a.spread.cast_signed()) == 0 {
            let place = (v.div_euclid(a.spread.cast_signed()) - reach.first).cast_unsigned();
            into[count] = Tap { place, index };
            count += 1;
        }
    }
    count
}

/// The largest side of a depthwise kernel.
pub(super) const LARGEST: usize = 16;

vectorised! {
    fn one_band<S>(
        l: &Layer<'_>,
        image: usize,
        lines: [usize; 2],
        channels: [usize; 2],
        reach: [Reach; 2],
        laid: &mut [f32],
        kernel: &mut [f32],
    ) {
        let (c, ay, ax) = (l.x.c, &l.window.y, &l.window.x);
        let [rows, columns] = reach;
        let mut across = [Tap::default(); LARGEST];
        let mut down = [Tap::default(); LARGEST];
        for channel in (channels[0]..channels[1]).step_by(S::LANES) {
            let n = (channels[1] - channel).min(S::LANES);
            // SAFETY: pixels lie in the map, channels below c, and the buffers have room for the reach and the kernel.
            unsafe {
                lay_out::<S>(l.x, image, channel, n, reach, laid.as_mut_ptr());
                for tap in 0..ay.kernel * ax.kernel {
                    let w = S::load_up_to(place(l.weights, tap * c + channel, n), n);
                    S::store(kernel.as_mut_ptr().add(tap * S::LANES), w);
                }
            }
            for line in lines[0]..lines[1] {
                // The reach begins at the band's first line.
                let down_count = taps(ay, rows, line, &mut down);
                for phase in 0..ax.spread.min(ax.output) {
                    let across_count = taps(ax, columns, phase, &mut across);
                    let outputs = (ax.output - phase).div_ceil(ax.spread);
                    for first in (0..outputs).step_by(TILE) {
                        let row = (image * ay.output + line) * ax.output;
                        for t in 0..TILE {
                            l.ending.prefetch::<S>((row + phase + (first + t) * ax.spread) * c + channel);
                        }
                        let mut sums = [S::splat(0.0); TILE];
                        // One output is `stride` places on from the one before it, or one where outputs are spread.
                        let step = ax.stride * S::LANES;
                        for row in &down[..down_count] {
                            for tap in &across[..across_count] {
                                // SAFETY: the reach covers whole tiles of outputs.
                                unsafe {
                                    let at = (row.place * columns.len + tap.place + first * ax.stride) * S::LANES;
                                    let from = place(laid, at, (TILE - 1) * step + S::LANES);
                                    let w = (row.index * ax.kernel + tap.index) * S::LANES;
                                    let w = S::load(place(kernel, w, S::LANES));
                                    for (t, sum) in sums.iter_mut().enumerate() {
                                        *sum = S::fma(S::load(from.add(t * step)), w, *sum);
                                    }
                                }
                            }
                        }
                        for (t, sum) in sums.into_iter().enumerate() {
                            if first + t < outputs {
                                let at = (row + phase + (first + t) * ax.spread) * c + channel;
                                // SAFETY: the pixel lies in the output, which `apply` has checked the ending against.
                                unsafe {
                                    S::store_up_to(l.to.at(at, n), l.ending.apply::<S>(sum, channel, at, n), n);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A vector of channels of every pixel within reach, zeros outside the map.
///
/// # Safety
/// The channels are there, and the reach has room at `to`.
#[inline(always)]
unsafe fn lay_out<S: Simd>(x: &Nhwc, image: usize, channel: usize, n: usize, reach: [Reach; 2], to: *mut f32) {
    let [rows, columns] = reach;
    let mut to = to;
    for row in 0..rows.len {
        let iy = rows.first + row.cast_signed();
        let inside = iy >= 0 && iy < x.h.cast_signed();
        let line = if inside { (image * x.h + iy.cast_unsigned()) * x.row() + channel } else { 0 };
        for column in 0..columns.len {
            let ix = columns.first + column.cast_signed();
            // SAFETY: the pixel lies in the map; the caller's promise.
            unsafe {
                let v = if inside && ix >= 0 && ix < x.w.cast_signed() {
                    S::load_up_to(place(x.data(), line + ix.cast_unsigned() * x.c, n), n)
                } else {
                    S::splat(0.0)
                };
                S::store(to, v);
                to = to.add(S::LANES);
            }
        }
    }
}
