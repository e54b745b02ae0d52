//! Pooling.

use super::buffer::Buffer;
use super::ending::Ending;
use super::gemm::Output;
use super::nhwc::Nhwc;
use super::simd::vectorised;
use crate::kernels::geometry::Window;
use rayon::prelude::*;

/// Marks a window without a largest pixel: one that lies in the padding, or in NaN.
const NOWHERE: f32 = -1.0;

impl Nhwc {
    pub(in crate::kernels) fn max_pool(&self, window: &Window) -> Self {
        self.pooled(window, |to, line| largest_of_line(self, window, line, to))
    }

    /// Each ∂y goes to the first of the largest pixels in its window.
    pub(in crate::kernels) fn max_pool_vjp(&self, dy: &Self, window: &Window, ending: Ending<'_>) -> Self {
        // The tap of each window's largest pixel. Windows may overlap: from here on each line of the input collects
        // what is its own.
        let taps = self.pooled(window, |to, line| taps_of_line(self, window, line, to));
        let mut dx = Buffer::any(self.data().len());
        ending.check(dx.len(), self.c);
        // SAFETY: each line is one task's.
        let to = unsafe { Output::new(&mut dx) };
        (0..self.n * self.h).into_par_iter().for_each(|line| {
            collect_line(&Collected { dy, taps: &taps, window, ending, line, width: self.w }, to);
        });
        Self::new([self.n, self.h, self.w, self.c], dx)
    }

    /// A map of the pooled size whose lines `fill` writes.
    fn pooled(&self, window: &Window, fill: impl Fn(Output, usize) + Sync) -> Self {
        let (out_h, out_w, c) = (window.y.output, window.x.output, self.c);
        let mut y = Buffer::any(self.n * out_h * out_w * c);
        // SAFETY: each line is one task's.
        let to = unsafe { Output::new(&mut y) };
        (0..self.n * out_h).into_par_iter().for_each(|line| fill(to, line));
        Self::new([self.n, out_h, out_w, c], y)
    }

    pub fn global_mean(&self) -> Self {
        let (area, c) = (self.h * self.w, self.c);
        let scale = 1.0 / area as f32;
        let mut y = Buffer::zeros(self.n * c);
        let images = y.par_chunks_mut(c.max(1)).zip(self.data().par_chunks((area * c).max(1)));
        images.for_each(|(sum, image)| {
            add_pixels(sum, image);
            sum.iter_mut().for_each(|v| *v *= scale);
        });
        Self::new([self.n, 1, 1, c], y)
    }

    /// The vjp of [`Self::global_mean`] for maps of `h` × `w`.
    pub fn spread_mean(&self, h: usize, w: usize) -> Self {
        let scale = 1.0 / (h * w) as f32;
        let mut dx = Buffer::any(self.n * h * w * self.c);
        for (image, pixel) in dx.chunks_mut((h * w * self.c).max(1)).zip(self.data().chunks(self.c)) {
            for to in image.chunks_mut(self.c) {
                for (to, v) in to.iter_mut().zip(pixel) {
                    *to = v * scale;
                }
            }
        }
        Self::new([self.n, h, w, self.c], dx)
    }

    /// Calls `visit(tap, where its channels start)` for every input pixel that an output pixel reads; `line` counts
    /// output rows through all images.
    #[inline(always)]
    fn each_tap(&self, window: &Window, line: usize, ox: usize, mut visit: impl FnMut(usize, usize)) {
        let (image, oy) = (line / window.y.output, line % window.y.output);
        for ky in 0..window.y.kernel {
            let Some(iy) = window.y.source(oy, ky) else { continue };
            for kx in 0..window.x.kernel {
                let Some(ix) = window.x.source(ox, kx) else { continue };
                visit(ky * window.x.kernel + kx, ((image * self.h + iy) * self.w + ix) * self.c);
            }
        }
    }
}

vectorised! {
    fn largest_of_line<S>(x: &Nhwc, window: &Window, line: usize, to: Output) {
        for ox in 0..window.x.output {
            for channel in (0..x.c).step_by(S::LANES) {
                let n = (x.c - channel).min(S::LANES);
                let mut best = S::splat(f32::NEG_INFINITY);
                x.each_tap(window, line, ox, |_, at| {
                    // SAFETY: the tap lies in the map.
                    best = S::largest(best, unsafe { S::load_up_to(x.data().as_ptr().add(at + channel), n) });
                });
                // SAFETY: the pixel lies in the output.
                unsafe { S::store_up_to(to.at((line * window.x.output + ox) * x.c + channel), best, n) }
            }
        }
    }
}

vectorised! {
    fn taps_of_line<S>(x: &Nhwc, window: &Window, line: usize, to: Output) {
        for ox in 0..window.x.output {
            for channel in (0..x.c).step_by(S::LANES) {
                let n = (x.c - channel).min(S::LANES);
                let (mut best, mut tap) = (S::splat(f32::NEG_INFINITY), S::splat(NOWHERE));
                x.each_tap(window, line, ox, |k, at| {
                    // SAFETY: the tap lies in the map.
                    let v = unsafe { S::load_up_to(x.data().as_ptr().add(at + channel), n) };
                    tap = S::where_above(v, best, S::splat(k as f32), tap);
                    best = S::where_above(v, best, v, best);
                });
                // SAFETY: the pixel lies in the output.
                unsafe { S::store_up_to(to.at((line * window.x.output + ox) * x.c + channel), tap, n) }
            }
        }
    }
}

/// A line of ∂x, counted through all images.
struct Collected<'a> {
    dy: &'a Nhwc,
    taps: &'a Nhwc,
    window: &'a Window,
    ending: Ending<'a>,
    line: usize,
    width: usize,
}

vectorised! {
    fn collect_line<S>(l: &Collected<'_>, to: Output) {
        let (y, x, c) = (&l.window.y, &l.window.x, l.dy.c);
        let (image, iy) = (l.line / y.input, l.line % y.input);
        // Windows that read input `i`, with the tap by which they do.
        let readers = |a: &crate::kernels::geometry::Axis, i: usize| {
            let (padded, stride, kernel, output) = (i + a.pad.cast_unsigned(), a.stride, a.kernel, a.output);
            let first = (padded + 1).saturating_sub(kernel).div_ceil(stride);
            (first..(padded / stride + 1).min(output)).map(move |o| (o, padded - o * stride))
        };
        for ix in 0..l.width {
            for channel in (0..c).step_by(S::LANES) {
                let n = (c - channel).min(S::LANES);
                let mut sum = S::splat(0.0);
                for (oy, ky) in readers(y, iy) {
                    for (ox, kx) in readers(x, ix) {
                        let at = ((image * y.output + oy) * x.output + ox) * c + channel;
                        let this = S::splat((ky * x.kernel + kx) as f32);
                        // SAFETY: the window lies in ∂y and in the taps, which have its shape.
                        unsafe {
                            let tap = S::load_up_to(l.taps.data().as_ptr().add(at), n);
                            let g = S::load_up_to(l.dy.data().as_ptr().add(at), n);
                            sum = S::add(sum, S::where_equal(tap, this, g, S::splat(0.0)));
                        }
                    }
                }
                let at = (l.line * l.width + ix) * c + channel;
                // SAFETY: the pixel lies in ∂x, which the ending has been checked against.
                unsafe { S::store_up_to(to.at(at), l.ending.apply::<S>(sum, channel, at, n), n) }
            }
        }
    }
}

vectorised! {
    fn add_pixels<S>(sum: &mut [f32], image: &[f32]) {
        for pixel in image.chunks(sum.len()) {
            for (sum, v) in sum.iter_mut().zip(pixel) {
                *sum += v;
            }
        }
    }
}
