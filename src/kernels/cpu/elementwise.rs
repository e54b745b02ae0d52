//! Rectifiers and sums over whole maps.

use super::ending::{Ending, Gate, Tile};
use super::gemm::Output;
use super::nhwc::{Elements, Nhwc};
use super::simd::vectorised;
use crate::kernels::{Activation, ReluRule};
use candle_core::Result;
use rayon::prelude::*;

/// Elements a task takes at once: 64 kB, far more than the cost of handing it over.
const CHUNK: usize = 16 * 1024;

impl Elements<'_> {
    pub fn rectify(self, activation: Activation) {
        self.end(Ending { activation: Some(activation), ..Ending::default() });
    }

    /// Turns ∂y into ∂x given the rectifier's output `y`.
    pub fn gate(self, y: &Nhwc, activation: Activation, rule: ReluRule) {
        self.end(Ending { gate: Some(Gate { y: y.data(), cap: activation.cap(), rule }), ..Ending::default() });
    }

    fn end(self, ending: Ending<'_>) {
        ending.check(self.0.len(), 0);
        let len = self.0.len();
        // SAFETY: each chunk is one task's.
        let values = unsafe { Output::new(self.0) };
        (0..len.div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            end(values, [chunk * CHUNK, ((chunk + 1) * CHUNK).min(len)], &ending);
        });
    }
}

impl Nhwc {
    pub fn added(mut self, other: &Self) -> Result<Self> {
        self.same_shape(other)?;
        self.make_mut().end(Ending { add: Some(other.data()), ..Ending::default() });
        Ok(self)
    }
}

vectorised! {
    fn end<S>(values: Output, range: [usize; 2], ending: &Ending<'_>) {
        let [from, to] = range;
        for at in (from..to).step_by(S::LANES) {
            let n = (to - at).min(S::LANES);
            // SAFETY: the range lies in the values, which `Elements::end` has checked the ending against.
            unsafe {
                let v = S::load_up_to(values.at(at, n), n);
                ending.write::<S, 1, 1>([[v]], values, Tile::one(0, at, n));
            }
        }
    }
}
