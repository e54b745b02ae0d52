//! Rectifiers and sums over whole maps.

use super::buffer::Buffer;
use super::epilogue::{Epilogue, Mask, OutputTile};
use super::nhwc::{Elements, Nhwc};
use super::output::SharedOutput;
use super::simd::{place, vectorised};
use crate::kernels::rectifier::{Activation, ReluRule};
use candle_core::Result;
use rayon::prelude::*;

/// Elements a task takes at once: 64 kB, far more than the cost of handing it over.
const CHUNK: usize = 16 * 1024;

impl Elements<'_> {
    pub fn rectify(self, activation: Activation) {
        self.finish(Epilogue { activation: Some(activation), ..Epilogue::default() });
    }

    /// Turns ∂y into ∂x given the rectifier's output `y`.
    pub fn gate(self, y: &Nhwc, activation: Activation, rule: ReluRule) {
        self.finish(Epilogue {
            gate: Some(Mask { y: y.data(), cap: activation.cap(), rule }),
            ..Epilogue::default()
        });
    }

    fn finish(self, epilogue: Epilogue<'_>) {
        epilogue.check(self.0.len(), 0);
        let len = self.0.len();
        // SAFETY: each chunk is one task's.
        let values = unsafe { SharedOutput::new(self.0) };
        (0..len.div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            finish(values, [chunk * CHUNK, ((chunk + 1) * CHUNK).min(len)], &epilogue);
        });
    }
}

impl Nhwc {
    pub fn added(mut self, other: &Self) -> Result<Self> {
        self.same_shape(other)?;
        self.make_mut().finish(Epilogue { add: Some(other.data()), ..Epilogue::default() });
        Ok(self)
    }

    /// Σ(self − other)², and scale · (self − other).
    pub fn squared_difference(&self, other: &Self, scale: f32) -> Result<(f64, Self)> {
        self.same_shape(other)?;
        let (a, b) = (self.data(), other.data());
        let mut difference = Buffer::any(a.len());
        // SAFETY: each chunk is one task's.
        let to = unsafe { SharedOutput::new(&mut difference) };
        let sums: Vec<f64> = (0..a.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let mut sum = 0.0;
                subtract(a, b, scale, to, [chunk * CHUNK, ((chunk + 1) * CHUNK).min(a.len())], &mut sum);
                sum
            })
            .collect();
        Ok((sums.iter().sum(), Self::new([self.n, self.h, self.w, self.c], difference)))
    }
}

vectorised! {
    /// The part of [`Nhwc::squared_difference`] in `range`.
    fn subtract<S>(s: S, a: &[f32], b: &[f32], scale: f32, to: SharedOutput, range: [usize; 2], sum: &mut f64) {
        let [from, end] = range;
        let mut squares = [0.0; 16];
        let (mut total, scale) = (s.splat(0.0), s.splat(scale));
        for at in (from..end).step_by(S::LANES) {
            let n = (end - at).min(S::LANES);
            // SAFETY: the range lies in all three.
            unsafe {
                let difference = s.sub(s.load_up_to(place(a, at, n), n), s.load_up_to(place(b, at, n), n));
                total = s.fma(difference, difference, total);
                s.store_up_to(to.at(at, n), s.mul(difference, scale), n);
            }
        }
        // SAFETY: no vector is longer.
        unsafe { s.store(squares.as_mut_ptr(), total) };
        *sum = squares.iter().map(|v| f64::from(*v)).sum();
    }
}

vectorised! {
    fn finish<S>(s: S, values: SharedOutput, range: [usize; 2], epilogue: &Epilogue<'_>) {
        let [from, to] = range;
        for at in (from..to).step_by(S::LANES) {
            let n = (to - at).min(S::LANES);
            // SAFETY: the range lies in the values, which `Elements::finish` has checked the epilogue against.
            unsafe {
                let v = s.load_up_to(values.at(at, n), n);
                epilogue.write::<S, 1, 1>(s, [[v]], values, OutputTile::one(0, at, n));
            }
        }
    }
}
