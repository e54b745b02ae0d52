//! Functions with parameters of their own for each channel.

use super::nhwc::Nhwc;
use super::simd::vectorised;
use rayon::prelude::*;

/// Values a task takes at once, about.
const CHUNK: usize = 8 * 1024;

impl Nhwc {
    /// Values of whole pixels that a task takes at once.
    pub(super) fn pixels_of_a_task(&self) -> usize {
        let c = self.c.max(1);
        (CHUNK / c).max(1) * c
    }

    /// x · scale + shift, channel by channel, with numbers `[C]`, or `[N · C]` for each image its own.
    pub(in crate::kernels) fn scale_and_shift(&mut self, scale: &[f32], shift: &[f32]) {
        let (c, image, chunk) = (self.c.max(1), self.area().max(1), self.pixels_of_a_task());
        for (i, image) in self.make_mut().0.chunks_mut(image).enumerate() {
            let [scale, shift] = [scale, shift].map(|numbers| &numbers[i * c % numbers.len()..][..c]);
            image.par_chunks_mut(chunk).for_each(|pixels| scale_and_shift(pixels, scale, shift));
        }
    }

    /// x · scale + other · mix + shift, channel by channel, with numbers `[N · C]`.
    pub(super) fn mix(&mut self, scale: &[f32], other: &Self, mix: &[f32], shift: &[f32]) {
        let (c, image, chunk) = (self.c.max(1), self.area().max(1), self.pixels_of_a_task());
        let images = self.make_mut().0.chunks_mut(image).zip(other.data().chunks(image)).enumerate();
        for (i, (image, other)) in images {
            let [scale, mix, shift] = [scale, mix, shift].map(|numbers| &numbers[i * c..][..c]);
            let tasks = image.par_chunks_mut(chunk).zip(other.par_chunks(chunk));
            tasks.for_each(|(pixels, other)| mix_pixels(pixels, scale, other, mix, shift));
        }
    }

    /// Values of an image.
    fn area(&self) -> usize {
        self.h * self.w * self.c
    }

    /// x where x > 0, slope · x elsewhere.
    pub(in crate::kernels) fn rectify_by_channel(&mut self, slope: &[f32]) {
        let chunk = self.pixels_of_a_task();
        self.make_mut().0.par_chunks_mut(chunk).for_each(|pixels| rectify(pixels, slope));
    }

    /// Multiplies this gradient by the slope where the input `x` ≤ 0.
    pub(in crate::kernels) fn gate_by_channel(&mut self, x: &Self, slope: &[f32]) {
        let chunk = self.pixels_of_a_task();
        let tasks = self.make_mut().0.par_chunks_mut(chunk).zip(x.data().par_chunks(chunk));
        tasks.for_each(|(pixels, x)| gate(pixels, x, slope));
    }
}

vectorised! {
    fn scale_and_shift<S>(_s: S, pixels: &mut [f32], scale: &[f32], shift: &[f32]) {
        for pixel in pixels.chunks_exact_mut(scale.len()) {
            for ((v, scale), shift) in pixel.iter_mut().zip(scale).zip(shift) {
                *v = *v * scale + shift;
            }
        }
    }
}

vectorised! {
    fn mix_pixels<S>(_s: S, pixels: &mut [f32], scale: &[f32], other: &[f32], mix: &[f32], shift: &[f32]) {
        let c = scale.len();
        for (pixel, other) in pixels.chunks_exact_mut(c).zip(other.chunks_exact(c)) {
            for ((((v, scale), other), mix), shift) in pixel.iter_mut().zip(scale).zip(other).zip(mix).zip(shift) {
                *v = *v * scale + other * mix + shift;
            }
        }
    }
}

vectorised! {
    fn rectify<S>(_s: S, pixels: &mut [f32], slope: &[f32]) {
        for pixel in pixels.chunks_exact_mut(slope.len()) {
            for (v, slope) in pixel.iter_mut().zip(slope) {
                *v = if *v > 0.0 { *v } else { *v * slope };
            }
        }
    }
}

vectorised! {
    fn gate<S>(_s: S, pixels: &mut [f32], x: &[f32], slope: &[f32]) {
        let c = slope.len();
        for (pixel, x) in pixels.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
            for ((v, x), slope) in pixel.iter_mut().zip(x).zip(slope) {
                *v *= if *x > 0.0 { 1.0 } else { *slope };
            }
        }
    }
}
