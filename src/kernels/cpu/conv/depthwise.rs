//! Depthwise convolution, a vector of channels at a time.
//!
//! A tile of neighbouring outputs is summed for all channels before the next one, so that pixels are read in the order
//! in which they lie. Each input of a line is loaded once for all the outputs that read it; weights and sums stay in
//! registers. A gradient of a stride is done in phases: outputs that are `spread` apart read the same taps.

use crate::kernels::cpu::buffer::Buffer;
use crate::kernels::cpu::epilogue::{Epilogue, OutputTile};
use crate::kernels::cpu::nhwc::Nhwc;
use crate::kernels::cpu::output::SharedOutput;
use crate::kernels::cpu::simd::lanes;
use crate::kernels::cpu::simd::{Simd, place, vectorised};
use crate::kernels::geometry::{Axis, Window, gcd};
use rayon::prelude::*;

/// Outputs whose sums stay in registers together: the sides of most feature maps are its multiples.
const TILE: usize = 7;
/// Multiply–accumulates a task has at least.
const TASK: usize = 128 * 1024;
/// The largest side of a kernel, and the largest stride.
pub(super) const LARGEST: usize = 16;
/// Inputs of a line that a tile reads at most.
const SPAN: usize = TILE * LARGEST;

/// Whether a window is one that this serves.
pub(super) fn serves(window: &Window) -> bool {
    let (y, x) = (&window.y, &window.x);
    let taps = Taps::of(x, 0);
    y.kernel.max(x.kernel).max(x.stride) <= LARGEST && taps.span(x.stride, x.kernel) <= SPAN
}

/// `[kH·kW, C]` as [`apply`] reads it: vector after vector of channels, tap after tap, zeros behind the last channel.
pub(super) fn pack(taps: usize, c: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let lanes = lanes();
    let one = |i: usize| (i / (lanes * taps) * lanes + i % lanes, i / lanes % taps);
    let value = |(channel, tap)| if channel < c { weight(tap, channel) } else { 0.0 };
    (0..c.next_multiple_of(lanes) * taps).map(|i| value(one(i))).collect()
}

/// What [`pack`] was given: the weight of a tap and channel.
pub(super) fn unpack(packed: &[f32], taps: usize) -> impl Fn(usize, usize) -> f32 {
    let lanes = lanes();
    move |tap, channel| packed[(channel / lanes * taps + tap) * lanes + channel % lanes]
}

/// The same loops serve the forward pass and, with the kernel rotated, the gradient.
pub(super) fn apply(x: &Nhwc, weights: &[f32], epilogue: Epilogue<'_>, window: &Window) -> Nhwc {
    let (out_h, out_w, c) = (window.y.output, window.x.output, x.c);
    let taps = window.y.kernel * window.x.kernel;
    assert_eq!(weights.len(), taps * c.next_multiple_of(lanes()), "a weight for every tap and channel");
    assert!(serves(window), "the window is served");
    let mut y = Buffer::any(x.n * out_h * out_w * c);
    epilogue.check(y.len(), c);
    // SAFETY: each task has its own lines and channels.
    let to = unsafe { SharedOutput::new(&mut y) };
    let zeros = Buffer::zeros(c);
    let layer = Layer { x, weights, window, epilogue, zeros: &zeros, to };
    let lines = x.n * out_h;
    let wanted = (4 * rayon::current_num_threads()).min(lines * out_w * c * taps / TASK).max(1);
    let lines_a_task = lines.div_ceil(wanted).max(1);
    let bands = lines.div_ceil(lines_a_task);
    // Where there are few lines, channels are shared out too: whole cache lines of them.
    let channels_a_task = c.div_ceil(wanted.div_ceil(bands.max(1))).next_multiple_of(2 * lanes());
    let groups = c.div_ceil(channels_a_task);
    (0..bands * groups).into_par_iter().for_each(|task| {
        let (band, group) = (task / groups, task % groups);
        let channels = [group * channels_a_task, ((group + 1) * channels_a_task).min(c)];
        for line in band * lines_a_task..((band + 1) * lines_a_task).min(lines) {
            one_line(&layer, line, channels);
        }
    });
    Nhwc::new([x.n, out_h, out_w, c], y)
}

struct Layer<'a> {
    x: &'a Nhwc,
    weights: &'a [f32],
    window: &'a Window,
    epilogue: Epilogue<'a>,
    /// A pixel of the padding.
    zeros: &'a [f32],
    to: SharedOutput,
}

/// The taps that output `phase` and those `spread` after it read.
#[derive(Clone, Copy)]
struct Taps {
    /// Index of the first, and how far the next one is from it.
    first: usize,
    apart: usize,
    count: usize,
    /// Inputs from what one tap reads to what the next one does.
    step: usize,
    /// The input that the phase's first output reads through the first tap.
    place: isize,
}

impl Taps {
    #[inline(always)]
    fn of(a: &Axis, phase: usize) -> Self {
        let spread = a.spread.cast_signed();
        let start = (phase * a.stride).cast_signed() - a.pad;
        // The first tap with start + tap · dilation ≡ 0 (mod spread); others follow where their dilations are whole spreads.
        let common = gcd(a.dilation, a.spread);
        let (apart, step) = (a.spread / common, a.dilation / common);
        let reads = |tap: &usize| (start + (tap * a.dilation).cast_signed()).rem_euclid(spread) == 0;
        let first = (0..apart.min(a.kernel)).find(reads).unwrap_or(a.kernel);
        let place = (start + (first * a.dilation).cast_signed()).div_euclid(spread);
        Self { first, apart, count: (a.kernel - first).div_ceil(apart), step, place }
    }

    /// Inputs from the first to the last that a tile reads, if this many of them are `stride` apart.
    #[inline(always)]
    fn span(&self, stride: usize, count: usize) -> usize {
        (TILE - 1) * stride + count.saturating_sub(1) * self.step + 1
    }
}

/// The inputs that a tile reads, line after line of the kernel.
struct Inputs {
    /// Where the channels of each pixel begin.
    pixels: [[*const f32; SPAN]; LARGEST],
    /// The kernel's line that reads each of them.
    lines: [usize; LARGEST],
    count: usize,
}

vectorised! {
    /// One line of outputs; `line` counts through all images.
    fn one_line<S>(s: S, l: &Layer<'_>, line: usize, channels: [usize; 2]) {
        let (ay, ax) = (&l.window.y, &l.window.x);
        let (image, oy) = (line / ay.output, line % ay.output);
        let mut inputs = Inputs { pixels: [[std::ptr::null(); SPAN]; LARGEST], lines: [0; LARGEST], count: 0 };
        let mut starts = [0; LARGEST];
        for ky in 0..ay.kernel {
            if let Some(iy) = ay.source(oy, ky) {
                inputs.lines[inputs.count] = ky;
                starts[inputs.count] = (image * l.x.h + iy) * l.x.row();
                inputs.count += 1;
            }
        }
        for phase in 0..ax.spread.min(ax.output) {
            let taps = Taps::of(ax, phase);
            let outputs = (ax.output - phase).div_ceil(ax.spread);
            for first in (0..outputs).step_by(TILE) {
                let left = taps.place + (first * ax.stride).cast_signed();
                let span = taps.span(ax.stride, taps.count);
                for (start, pixels) in starts[..inputs.count].iter().zip(&mut inputs.pixels) {
                    for (ix, pixel) in (left..).zip(&mut pixels[..span]) {
                        *pixel = if ix >= 0 && ix < l.x.w.cast_signed() {
                            // SAFETY: the pixel lies in the map.
                            unsafe { place(l.x.data(), start + ix.cast_unsigned() * l.x.c, l.x.c) }
                        } else {
                            l.zeros.as_ptr()
                        };
                    }
                }
                let pixel = line * ax.output + phase + first * ax.spread;
                let tile = OutputTile {
                    channel: 0,
                    at: pixel * l.x.c,
                    apart: ax.spread * l.x.c,
                    rows: (outputs - first).min(TILE),
                    n: 0,
                };
                // SAFETY: the inputs are the tile's, and it lies in the output.
                unsafe {
                    match (if taps.step == 1 { taps.count } else { 0 }, ax.stride) {
                        (1, 1) => all_channels::<S, 1, 1>(s, l, &inputs, taps, tile, channels),
                        (2, 1) => all_channels::<S, 2, 1>(s, l, &inputs, taps, tile, channels),
                        (3, 1) => all_channels::<S, 3, 1>(s, l, &inputs, taps, tile, channels),
                        (5, 1) => all_channels::<S, 5, 1>(s, l, &inputs, taps, tile, channels),
                        (7, 1) => all_channels::<S, 7, 1>(s, l, &inputs, taps, tile, channels),
                        (3, 2) => all_channels::<S, 3, 2>(s, l, &inputs, taps, tile, channels),
                        (5, 2) => all_channels::<S, 5, 2>(s, l, &inputs, taps, tile, channels),
                        _ => all_channels::<S, 0, 0>(s, l, &inputs, taps, tile, channels),
                    }
                }
            }
        }
    }
}

/// A tile of outputs, vector after vector of channels. K taps side by side and a stride of STEP, or any where they are 0.
///
/// # Safety
/// `inputs` are what the tile reads through `taps`, and the tile lies in the output.
#[inline(always)]
unsafe fn all_channels<S: Simd, const K: usize, const STEP: usize>(
    s: S,
    l: &Layer<'_>,
    inputs: &Inputs,
    taps: Taps,
    tile: OutputTile,
    [from, to]: [usize; 2],
) {
    let mut channel = from;
    // SAFETY: the caller's promise; channels from..to are there.
    unsafe {
        while channel + S::LANES <= to {
            one_vector::<S, K, STEP, true>(s, l, inputs, taps, OutputTile { channel, n: S::LANES, ..tile });
            channel += S::LANES;
        }
        if channel < to {
            one_vector::<S, K, STEP, false>(s, l, inputs, taps, OutputTile { channel, n: to - channel, ..tile });
        }
    }
}

/// # Safety
/// As [`all_channels`]; if `FULL`, the tile has a whole vector of channels.
#[inline(always)]
unsafe fn one_vector<S: Simd, const K: usize, const STEP: usize, const FULL: bool>(
    s: S,
    l: &Layer<'_>,
    inputs: &Inputs,
    taps: Taps,
    tile: OutputTile,
) {
    let OutputTile { channel, n, .. } = tile;
    let mut sums = [s.splat(0.0); TILE];
    let kernel = l.window.x.kernel;
    let weights = channel * l.window.y.kernel * kernel;
    if channel % (2 * S::LANES) == 0 {
        // What the next tile writes and passes on, and the line of inputs that no tile above has read.
        for t in 0..TILE {
            let at = tile.at + channel + (TILE + t) * tile.apart;
            l.to.prefetch(s, at);
            l.epilogue.prefetch(s, at);
        }
        if let Some(last) = inputs.count.checked_sub(1) {
            for t in 0..TILE * l.window.x.stride {
                s.prefetch(inputs.pixels[last][t].wrapping_add(channel + TILE * l.window.x.stride * l.x.c));
            }
        }
    }
    // SAFETY: every pixel has the channels, and every vector of them a weight for each tap.
    unsafe {
        for (pixels, line) in inputs.pixels.iter().zip(&inputs.lines).take(inputs.count) {
            let at = weights + (line * kernel + taps.first) * S::LANES;
            let weight = |tap: usize| s.load(place(l.weights, at + tap * taps.apart * S::LANES, S::LANES));
            let input = |i: usize| s.load_if::<FULL>(pixels.get_unchecked(i).add(channel), n);
            if K == 0 {
                for tap in 0..taps.count {
                    let w = weight(tap);
                    for (t, sum) in sums.iter_mut().enumerate() {
                        *sum = s.fma(input(t * l.window.x.stride + tap * taps.step), w, *sum);
                    }
                }
            } else {
                let mut w = [s.splat(0.0); K];
                for (tap, w) in w.iter_mut().enumerate() {
                    *w = weight(tap);
                }
                for i in 0..(TILE - 1) * STEP + K {
                    let x = input(i);
                    for (t, sum) in sums.iter_mut().enumerate() {
                        if i >= t * STEP && i < t * STEP + K {
                            *sum = s.fma(x, w[i - t * STEP], *sum);
                        }
                    }
                }
            }
        }
        l.epilogue.write::<S, TILE, 1>(s, sums.map(|v| [v]), l.to, OutputTile { at: tile.at + channel, ..tile });
    }
}
