//! Depthwise convolution, vectorised over channels.

use super::buffer::Buffer;
use super::ending::Ending;
use super::gemm::Output;
use super::nhwc::Nhwc;
use super::simd::{Simd, vectorised};
use crate::kernels::geometry::Window;
use rayon::prelude::*;

/// Output pixels whose sums stay in registers together: the sides of most feature maps are its multiples.
const TILE: usize = 7;
/// Multiply–accumulates a task has at least.
const TASK: usize = 64 * 1024;

/// `weights` is `[kH·kW, C]`; the same loops serve the forward pass and, with the kernel rotated, the gradient.
pub(super) fn apply(x: &Nhwc, weights: &[f32], ending: Ending<'_>, window: &Window) -> Nhwc {
    let (out_h, out_w, c) = (window.y.output, window.x.output, x.c);
    assert_eq!(weights.len(), window.y.kernel * window.x.kernel * c, "a weight for every tap and channel");
    let mut y = Buffer::any(x.n * out_h * out_w * c);
    ending.check(y.len(), c);
    // SAFETY: each line is one task's.
    let to = unsafe { Output::new(&mut y) };
    let lines_a_task = (TASK / (out_w * weights.len()).max(1)).max(1);
    (0..x.n * out_h).into_par_iter().with_min_len(lines_a_task).for_each(|line| {
        one_line(&Line { x, weights, window, ending, line, to });
    });
    Nhwc::new([x.n, out_h, out_w, c], y)
}

/// Row `line` of the output, counted through all images.
struct Line<'a> {
    x: &'a Nhwc,
    weights: &'a [f32],
    window: &'a Window,
    ending: Ending<'a>,
    line: usize,
    to: Output,
}

vectorised! {
    fn one_line<S>(line: &Line<'_>) {
        let c = line.x.c;
        let mut taps = vec![];
        for channel in (0..c).step_by(S::LANES) {
            let n = (c - channel).min(S::LANES);
            if line.window.x.spread > 1 || line.window.y.spread > 1 {
                line.pixels::<S>(channel, n, &mut taps);
            } else if n == S::LANES {
                line.tiles::<S, true>(channel, n);
            } else {
                line.tiles::<S, false>(channel, n);
            }
        }
    }
}

impl Line<'_> {
    /// Of one vector of channels, several pixels at a time.
    #[inline(always)]
    fn tiles<S: Simd, const FULL: bool>(&self, channel: usize, n: usize) {
        let a = &self.window.x;
        let mut first = 0;
        while first < a.output {
            let inside = (first * a.stride).cast_signed() >= a.pad
                && first + TILE <= a.output
                && ((first + TILE - 1) * a.stride + a.kernel).cast_signed() - a.pad <= a.input.cast_signed();
            if inside {
                self.tile::<S, FULL, true>(channel, n, first);
            } else {
                self.tile::<S, FULL, false>(channel, n, first);
            }
            first += TILE;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const FULL: bool, const INSIDE: bool>(&self, channel: usize, n: usize, first: usize) {
        let (x, a, c) = (self.x, &self.window.x, self.x.c);
        let (image, oy) = (self.line / self.window.y.output, self.line % self.window.y.output);
        let count = (a.output - first).min(TILE);
        let mut sums = [S::splat(0.0); TILE];
        for ky in 0..self.window.y.kernel {
            let Some(iy) = self.window.y.source(oy, ky) else { continue };
            let row = (image * x.h + iy) * x.row() + channel;
            for kx in 0..a.kernel {
                // SAFETY: tap and channel lie in the weights.
                let w = unsafe { S::load_if::<FULL>(self.weights.as_ptr().add((ky * a.kernel + kx) * c + channel), n) };
                let start = (first * a.stride + kx).cast_signed() - a.pad;
                for (t, sum) in sums.iter_mut().enumerate() {
                    let ix = start + (t * a.stride).cast_signed();
                    if INSIDE || (t < count && ix >= 0 && ix < a.input.cast_signed()) {
                        // SAFETY: the pixel lies inside the map.
                        let v = unsafe { S::load_if::<FULL>(x.data().as_ptr().add(row + ix.cast_unsigned() * c), n) };
                        *sum = S::fma(v, w, *sum);
                    }
                }
            }
        }
        for (t, sum) in sums.into_iter().enumerate() {
            if INSIDE || t < count {
                self.end::<S>(sum, first + t, channel, n);
            }
        }
    }

    /// Of one vector of channels, pixel by pixel: for gradients of strides, where neighbours read different taps.
    #[inline(always)]
    fn pixels<S: Simd>(&self, channel: usize, n: usize, taps: &mut Vec<(usize, usize)>) {
        let (x, c) = (self.x, self.x.c);
        let (image, oy) = (self.line / self.window.y.output, self.line % self.window.y.output);
        for ox in 0..self.window.x.output {
            taps.clear();
            for ky in 0..self.window.y.kernel {
                let Some(iy) = self.window.y.source(oy, ky) else { continue };
                for kx in 0..self.window.x.kernel {
                    let Some(ix) = self.window.x.source(ox, kx) else { continue };
                    let pixel = (image * x.h + iy) * x.w + ix;
                    taps.push((pixel * c, (ky * self.window.x.kernel + kx) * c));
                }
            }
            let mut sum = S::splat(0.0);
            for (pixel, tap) in &*taps {
                // SAFETY: `source` gives pixels inside the map, the loops taps inside the kernel.
                sum = unsafe {
                    let v = S::load_up_to(x.data().as_ptr().add(pixel + channel), n);
                    S::fma(v, S::load_up_to(self.weights.as_ptr().add(tap + channel), n), sum)
                };
            }
            self.end::<S>(sum, ox, channel, n);
        }
    }

    #[inline(always)]
    fn end<S: Simd>(&self, sum: S::V, ox: usize, channel: usize, n: usize) {
        let at = (self.line * self.window.x.output + ox) * self.x.c + channel;
        // SAFETY: the pixel lies in the output, which `apply` has checked the ending against.
        unsafe { S::store_up_to(self.to.at(at), self.ending.apply::<S>(sum, channel, at, n), n) }
    }
}
