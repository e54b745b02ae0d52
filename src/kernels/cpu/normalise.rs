//! Normalisation by mean and variance, and by neighbouring channels.

use super::elementary::{exp, ln};
use super::fold::{sum, sum_of_products};
use super::nhwc::Nhwc;
use super::simd::vectorised;
use crate::kernels::LocalResponseNorm;
use crate::kernels::axes::Fold;
use rayon::prelude::*;

/// Mean and 1/√(variance + ε).
#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    inverse: f64,
}

impl Moments {
    /// Of `count` values, from their sum and that of their squares: in float64 the difference is precise enough.
    #[inline(always)]
    fn new(sum: f64, squares: f64, count: f64, epsilon: f64) -> Self {
        let mean = sum / count;
        let variance = squares / count - mean * mean;
        let variance = if variance < 0.0 { 0.0 } else { variance };
        Self { mean, inverse: 1.0 / (variance + epsilon).sqrt() }
    }
}

impl Nhwc {
    /// Each pixel's channels less their mean over their deviation, then times a scale, plus a shift.
    pub(in crate::kernels) fn normalise_pixels(&mut self, epsilon: f64, affine: Option<[&[f32]; 2]>) {
        let (c, chunk) = (self.c, self.pixels_of_a_task());
        self.make_mut().0.par_chunks_mut(chunk).for_each(|pixels| {
            normalise_pixels(pixels, c, epsilon);
        });
        if let Some([scale, shift]) = affine {
            self.scale_and_shift(scale, shift);
        }
    }

    /// Makes of this gradient at the normalised pixels the one at `x`.
    pub(in crate::kernels) fn normalise_pixels_vjp(&mut self, x: &Self, epsilon: f64) {
        let (c, chunk) = (self.c, self.pixels_of_a_task());
        let tasks = self.make_mut().0.par_chunks_mut(chunk).zip(x.data().par_chunks(chunk));
        tasks.for_each(|(pixels, x)| normalise_pixels_vjp(pixels, x, c, epsilon));
    }

    /// Each group of channels less its mean over all places over its deviation, then times a scale, plus a shift.
    pub(in crate::kernels) fn normalise_groups(&mut self, groups: usize, epsilon: f64, affine: Option<[&[f32]; 2]>) {
        let moments = self.moments(groups, epsilon);
        let (c, width) = (self.c, self.c / groups);
        let (mut scales, mut shifts) = (vec![0.0; self.n * c], vec![0.0; self.n * c]);
        for (i, (scale, shift)) in scales.iter_mut().zip(&mut shifts).enumerate() {
            let Moments { mean, inverse } = moments[i / width];
            let [gamma, beta] = affine.map_or([1.0, 0.0], |a| a.map(|numbers| f64::from(numbers[i % c])));
            (*scale, *shift) = ((inverse * gamma) as f32, (beta - mean * inverse * gamma) as f32);
        }
        self.scale_and_shift(&scales, &shifts);
    }

    /// Makes of this gradient at the normalised groups the one at `x`.
    pub(in crate::kernels) fn normalise_groups_vjp(&mut self, x: &Self, groups: usize, epsilon: f64) {
        let moments = x.moments(groups, epsilon);
        let (width, count) = (self.c / groups, (self.c / groups * self.h * self.w) as f64);
        let shape = [self.n, self.c, self.h, self.w];
        let products = self.combined(x, crate::kernels::Binary::Mul, shape).fold_places(Fold::Sum);
        let (plain, along) = (grouped(&self.fold_places(Fold::Sum), width), grouped(&products, width));
        // ∂x = r ∂y − r² s x + (r² s m − r mean(∂y)), where s is the mean of ∂y · y.
        let numbers = |of: fn(Moments, f64, f64) -> f64| -> Vec<f32> {
            (0..self.n * self.c)
                .map(|i| {
                    let (moments, plain) = (moments[i / width], plain[i / width] / count);
                    let s = moments.inverse * (along[i / width] / count - moments.mean * plain);
                    of(moments, plain, s) as f32
                })
                .collect()
        };
        let scale = numbers(|m, _, _| m.inverse);
        let mix = numbers(|m, _, s| -m.inverse * m.inverse * s);
        let shift = numbers(|m, plain, s| m.inverse * (m.inverse * s * m.mean - plain));
        self.mix(&scale, x, &mix, &shift);
    }

    /// Of each group of channels of each image.
    fn moments(&self, groups: usize, epsilon: f64) -> Vec<Moments> {
        let width = self.c / groups;
        let count = (width * self.h * self.w) as f64;
        let sums = grouped(&self.fold_places(Fold::Sum), width);
        let squares = grouped(&self.fold_places(Fold::Squares), width);
        sums.iter().zip(squares).map(|(sum, squares)| Moments::new(*sum, squares, count, epsilon)).collect()
    }

    /// x over a power of the response of its neighbours.
    pub(in crate::kernels) fn normalise_responses(&mut self, norm: LocalResponseNorm) {
        let (c, chunk) = (self.c, self.pixels_of_a_task());
        self.make_mut().0.par_chunks_mut(chunk).for_each(|pixels| responses(pixels, c, norm));
    }

    /// Makes of this gradient at the normalised map the one at `x`.
    pub(in crate::kernels) fn normalise_responses_vjp(&mut self, x: &Self, norm: LocalResponseNorm) {
        let (c, chunk) = (self.c, self.pixels_of_a_task());
        let tasks = self.make_mut().0.par_chunks_mut(chunk).zip(x.data().par_chunks(chunk));
        tasks.for_each(|(pixels, x)| responses_vjp(pixels, x, c, norm));
    }
}

/// Sums of as many neighbours.
fn grouped(values: &[f64], width: usize) -> Vec<f64> {
    values.chunks(width).map(|group| group.iter().sum()).collect()
}

vectorised! {
    fn normalise_pixels<S>(_s: S, pixels: &mut [f32], c: usize, epsilon: f64) {
        for pixel in pixels.chunks_exact_mut(c) {
            let moments = Moments::new(sum(pixel), sum_of_products(pixel, pixel), c as f64, epsilon);
            let (mean, inverse) = (moments.mean as f32, moments.inverse as f32);
            for v in pixel.iter_mut() {
                *v = (*v - mean) * inverse;
            }
        }
    }
}

vectorised! {
    fn normalise_pixels_vjp<S>(_s: S, pixels: &mut [f32], x: &[f32], c: usize, epsilon: f64) {
        for (pixel, x) in pixels.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
            let count = c as f64;
            let moments = Moments::new(sum(x), sum_of_products(x, x), count, epsilon);
            let plain = sum(pixel) / count;
            let along = moments.inverse * (sum_of_products(pixel, x) / count - moments.mean * plain);
            let (mean, inverse) = (moments.mean as f32, moments.inverse as f32);
            let (plain, along) = (plain as f32, along as f32);
            for (v, x) in pixel.iter_mut().zip(x) {
                *v = inverse * (*v - plain - (x - mean) * inverse * along);
            }
        }
    }
}

/// Sums over the channels from some before each to some behind it. `padded` holds as many zeros at both ends.
#[inline(always)]
fn window_sums(padded: &[f64], to: &mut [f64]) {
    to.fill(0.0);
    for offset in 0..=padded.len() - to.len() {
        for (to, v) in to.iter_mut().zip(&padded[offset..]) {
            *to += v;
        }
    }
}

/// Writes bias + weight · Σx² over each channel's neighbours.
#[inline(always)]
fn divisors(x: &[f32], norm: LocalResponseNorm, before: usize, padded: &mut [f64], to: &mut [f64]) {
    for (square, x) in padded[before..].iter_mut().zip(x) {
        *square = f64::from(*x) * f64::from(*x);
    }
    window_sums(padded, to);
    let (weight, bias) = (f64::from(norm.weight()), f64::from(norm.bias));
    for to in to.iter_mut() {
        *to = bias + weight * *to;
    }
}

/// d^(−β), as fast as vectors are; the system's power function is not.
#[inline(always)]
fn inverse_power(d: f64, beta: f64) -> f64 {
    exp(-beta * ln(d))
}

vectorised! {
    fn responses<S>(_s: S, pixels: &mut [f32], c: usize, norm: LocalResponseNorm) {
        let [before, behind] = norm.sides().map(|side| side.min(c));
        let (mut padded, mut divided) = (vec![0.0; c + before + behind], vec![0.0; c]);
        let beta = f64::from(norm.beta);
        for pixel in pixels.chunks_exact_mut(c) {
            divisors(pixel, norm, before, &mut padded, &mut divided);
            for (v, d) in pixel.iter_mut().zip(&divided) {
                *v = (f64::from(*v) * inverse_power(*d, beta)) as f32;
            }
        }
    }
}

vectorised! {
    fn responses_vjp<S>(_s: S, pixels: &mut [f32], x: &[f32], c: usize, norm: LocalResponseNorm) {
        let [before, behind] = norm.sides().map(|side| side.min(c));
        let (mut padded, mut divided) = (vec![0.0; c + before + behind], vec![0.0; c]);
        // The windows that read a channel lie the other way round.
        let (mut pulls, mut pulled) = (padded.clone(), divided.clone());
        let (beta, weight) = (f64::from(norm.beta), f64::from(norm.weight()));
        for (pixel, x) in pixels.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
            divisors(x, norm, before, &mut padded, &mut divided);
            for (((v, x), d), pull) in pixel.iter_mut().zip(x).zip(&divided).zip(&mut pulls[behind..]) {
                let direct = f64::from(*v) * inverse_power(*d, beta);
                *v = direct as f32;
                *pull = direct * f64::from(*x) / d;
            }
            window_sums(&pulls, &mut pulled);
            for ((v, x), pulled) in pixel.iter_mut().zip(x).zip(&pulled) {
                *v -= (2.0 * beta * weight * f64::from(*x) * pulled) as f32;
            }
        }
    }
}
