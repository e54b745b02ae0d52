//! Rectifiers and sums over whole maps.

use super::nhwc::{Elements, Nhwc};
use super::wide::wide;
use crate::kernels::ReluRule;
use candle_core::Result;
use rayon::prelude::*;

/// Elements a task takes at once: 64 kB, far more than the cost of handing it over.
const CHUNK: usize = 16 * 1024;

impl Elements<'_> {
    pub fn clamp(self, cap: f32) {
        self.0.par_chunks_mut(CHUNK).for_each(|chunk| {
            clamp_chunk(chunk, cap);
        });
    }

    /// Turns ∂y into ∂x given the rectifier's output `y`.
    pub fn gate(self, y: &Nhwc, cap: f32, rule: ReluRule) {
        let chunks = self.0.par_chunks_mut(CHUNK).zip(y.data().par_chunks(CHUNK));
        chunks.for_each(|(dy, y)| gate_chunk(dy, y, cap, rule));
    }
}

wide! {
    const FUSED;
    fn clamp_chunk(values: &mut [f32], cap: f32) {
        clamp(values, cap);
    }
}

wide! {
    const FUSED;
    fn gate_chunk(dy: &mut [f32], y: &[f32], cap: f32, rule: ReluRule) {
        match rule {
            ReluRule::Standard => gate(dy, y, |g, y| if y > 0.0 && y < cap { g } else { 0.0 }),
            ReluRule::Guided => gate(dy, y, |g, y| if y > 0.0 && y < cap && g > 0.0 { g } else { 0.0 }),
            ReluRule::Deconvnet => gate(dy, y, |g, _| if g > 0.0 { g } else { 0.0 }),
        }
    }
}

wide! {
    const FUSED;
    fn add_chunk(a: &mut [f32], b: &[f32]) {
        for (a, b) in a.iter_mut().zip(b) {
            *a += b;
        }
    }
}

impl Nhwc {
    pub fn added(mut self, other: &Self) -> Result<Self> {
        self.same_shape(other)?;
        let into = self.make_mut().0;
        into.par_chunks_mut(CHUNK).zip(other.data().par_chunks(CHUNK)).for_each(|(a, b)| add_chunk(a, b));
        Ok(self)
    }
}

/// clamp(x, 0, cap) that keeps NaN, so that a broken forward pass is seen and not hidden.
#[inline(always)]
pub(super) fn clamp(values: &mut [f32], cap: f32) {
    for v in values {
        *v = if *v < 0.0 {
            0.0
        } else if *v > cap {
            cap
        } else {
            *v
        };
    }
}

#[inline(always)]
fn gate(dy: &mut [f32], y: &[f32], rule: impl Fn(f32, f32) -> f32) {
    for (g, &y) in dy.iter_mut().zip(y) {
        *g = rule(*g, y);
    }
}
