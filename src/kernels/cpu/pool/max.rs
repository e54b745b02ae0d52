//! The largest of each window.

use super::Links;
use crate::kernels::cpu::buffer::Buffer;
use crate::kernels::cpu::epilogue::{Epilogue, OutputTile};
use crate::kernels::cpu::nhwc::Nhwc;
use crate::kernels::cpu::output::SharedOutput;
use crate::kernels::cpu::simd::{place, vectorised};
use crate::kernels::geometry::{Axis, Window};
use rayon::prelude::*;

/// Marks a window without a largest pixel: one that lies in the padding, or in NaN.
const NOWHERE: f32 = -1.0;

impl Nhwc {
    pub(in crate::kernels) fn max_pool(&self, window: &Window) -> Self {
        self.pooled(window, |to, line| largest_of_line(self, window, line, to))
    }

    /// Each ∂y goes to the first of the largest pixels in its window.
    pub(in crate::kernels) fn max_pool_vjp(&self, dy: &Self, window: &Window, epilogue: Epilogue<'_>) -> Self {
        let apart = |a: &Axis| a.stride >= a.kernel && a.pad == 0 && a.dilation == 1;
        let covered = |a: &Axis| a.stride == a.kernel && a.output * a.kernel == a.input;
        let all = covered(&window.y) && covered(&window.x);
        // What lies between the windows may still get what arrived from elsewhere; collecting sees to that.
        if apart(&window.y) && apart(&window.x) && (all || epilogue.add.is_none()) {
            return self.max_pool_vjp_apart(dy, window, epilogue, all);
        }
        // The tap of each window's largest pixel. Windows may overlap: from here on each line of the input collects
        // what is its own.
        let taps = self.pooled(window, |to, line| taps_of_line(self, window, line, to));
        let mut dx = Buffer::any(self.data().len());
        epilogue.check(dx.len(), self.c);
        // SAFETY: each line is one task's.
        let to = unsafe { SharedOutput::new(&mut dx) };
        let (down, across) = (Links::readers(&window.y), Links::readers(&window.x));
        (0..self.n * self.h).into_par_iter().for_each(|line| {
            let (down, across) = (down.at(line % self.h), &across);
            collect_line(&Collected { dy, taps: &taps, window, down, across, epilogue, line }, to);
        });
        Self::new([self.n, self.h, self.w, self.c], dx)
    }

    /// The same for windows that do not overlap: each line of them has its own pixels.
    fn max_pool_vjp_apart(&self, dy: &Self, window: &Window, epilogue: Epilogue<'_>, all: bool) -> Self {
        let len = self.data().len();
        let mut dx = if all { Buffer::any(len) } else { Buffer::zeros(len) };
        epilogue.check(len, self.c);
        // SAFETY: each line of windows is one task's.
        let to = unsafe { SharedOutput::new(&mut dx) };
        (0..self.n * window.y.output)
            .into_par_iter()
            .for_each(|line| pass_line(self, dy, window, line, &epilogue, to));
        Self::new([self.n, self.h, self.w, self.c], dx)
    }

    /// A map of the pooled size whose lines `fill` writes.
    fn pooled(&self, window: &Window, fill: impl Fn(SharedOutput, usize) + Sync) -> Self {
        let (out_h, out_w, c) = (window.y.output, window.x.output, self.c);
        let mut y = Buffer::any(self.n * out_h * out_w * c);
        // SAFETY: each line is one task's.
        let to = unsafe { SharedOutput::new(&mut y) };
        (0..self.n * out_h).into_par_iter().for_each(|line| fill(to, line));
        Self::new([self.n, out_h, out_w, c], y)
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
    fn largest_of_line<S>(s: S, x: &Nhwc, window: &Window, line: usize, to: SharedOutput) {
        for ox in 0..window.x.output {
            for channel in (0..x.c).step_by(S::LANES) {
                let n = (x.c - channel).min(S::LANES);
                let mut best = s.splat(f32::NEG_INFINITY);
                x.each_tap(window, line, ox, |_, at| {
                    // SAFETY: the tap lies in the map.
                    best = s.largest(best, unsafe { s.load_up_to(place(x.data(), at + channel, n), n) });
                });
                // SAFETY: the pixel lies in the output.
                unsafe { s.store_up_to(to.at((line * window.x.output + ox) * x.c + channel, n), best, n) }
            }
        }
    }
}

vectorised! {
    fn taps_of_line<S>(s: S, x: &Nhwc, window: &Window, line: usize, to: SharedOutput) {
        for ox in 0..window.x.output {
            for channel in (0..x.c).step_by(S::LANES) {
                let n = (x.c - channel).min(S::LANES);
                let (mut best, mut tap) = (s.splat(f32::NEG_INFINITY), s.splat(NOWHERE));
                x.each_tap(window, line, ox, |k, at| {
                    // SAFETY: the tap lies in the map.
                    let v = unsafe { s.load_up_to(place(x.data(), at + channel, n), n) };
                    tap = s.where_above(v, best, s.splat(k as f32), tap);
                    best = s.where_above(v, best, v, best);
                });
                // SAFETY: the pixel lies in the output.
                unsafe { s.store_up_to(to.at((line * window.x.output + ox) * x.c + channel, n), tap, n) }
            }
        }
    }
}

/// A line of ∂x, counted through all images.
struct Collected<'a> {
    dy: &'a Nhwc,
    taps: &'a Nhwc,
    window: &'a Window,
    /// The windows that read the line, and those that read each pixel of it.
    down: &'a [(usize, usize)],
    across: &'a Links,
    epilogue: Epilogue<'a>,
    line: usize,
}

vectorised! {
    fn collect_line<S>(s: S, l: &Collected<'_>, to: SharedOutput) {
        let (y, x, c) = (&l.window.y, &l.window.x, l.dy.c);
        let image = l.line / y.input;
        // Where each window that reads a pixel lies, and the tap by which it does.
        let mut windows: Vec<(usize, f32)> = vec![];
        for ix in 0..x.input {
            windows.clear();
            for (oy, ky) in l.down {
                for (ox, kx) in l.across.at(ix) {
                    let tap = ky * x.kernel + kx;
                    windows.push((((image * y.output + oy) * x.output + ox) * c, tap as f32));
                }
            }
            for channel in (0..c).step_by(S::LANES) {
                let n = (c - channel).min(S::LANES);
                let mut sum = s.splat(0.0);
                for &(at, this) in &windows {
                    // SAFETY: the window lies in ∂y and in the taps, which have its shape.
                    unsafe {
                        let tap = s.load_up_to(place(l.taps.data(), at + channel, n), n);
                        let g = s.load_up_to(place(l.dy.data(), at + channel, n), n);
                        sum = s.add(sum, s.where_equal(tap, s.splat(this), g, s.splat(0.0)));
                    }
                }
                let at = (l.line * x.input + ix) * c + channel;
                // SAFETY: the pixel lies in ∂x, which the epilogue has been checked against.
                unsafe { l.epilogue.write::<S, 1, 1>(s, [[sum]], to, OutputTile::one(channel, at, n)) }
            }
        }
    }
}

vectorised! {
    /// Passes a line of ∂y on to the pixels of its windows, which no other line has.
    fn pass_line<S>(s: S, x: &Nhwc, dy: &Nhwc, window: &Window, line: usize, epilogue: &Epilogue<'_>, to: SharedOutput) {
        let c = x.c;
        for ox in 0..window.x.output {
            for channel in (0..c).step_by(S::LANES) {
                let n = (c - channel).min(S::LANES);
                let (mut best, mut tap) = (s.splat(f32::NEG_INFINITY), s.splat(NOWHERE));
                let (image, oy) = (line / window.y.output, line % window.y.output);
                let first = ((image * x.h + oy * window.y.stride) * x.w + ox * window.x.stride) * c + channel;
                // A last, partial window ends with the map.
                let down = window.y.kernel.min(x.h - oy * window.y.stride);
                let across = window.x.kernel.min(x.w - ox * window.x.stride);
                for ky in 0..down {
                    for kx in 0..across {
                        let at = first + (ky * x.w + kx) * c;
                        // SAFETY: the tap lies in the map.
                        let v = unsafe { s.load_up_to(place(x.data(), at, n), n) };
                        tap = s.where_above(v, best, s.splat((ky * window.x.kernel + kx) as f32), tap);
                        best = s.where_above(v, best, v, best);
                    }
                }
                // SAFETY: ∂y has a pixel for each window.
                let g = unsafe { s.load_up_to(place(dy.data(), (line * window.x.output + ox) * c + channel, n), n) };
                for ky in 0..down {
                    for kx in 0..across {
                        let at = first + (ky * x.w + kx) * c;
                        let this = s.splat((ky * window.x.kernel + kx) as f32);
                        let v = s.where_equal(tap, this, g, s.splat(0.0));
                        // SAFETY: the tap lies in ∂x, which the epilogue has been checked against.
                        unsafe { epilogue.write::<S, 1, 1>(s, [[v]], to, OutputTile::one(channel, at, n)) }
                    }
                }
            }
        }
    }
}
