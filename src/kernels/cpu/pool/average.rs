//! Means of windows.

use super::Links;
use crate::kernels::cpu::buffer::Buffer;
use crate::kernels::cpu::epilogue::{Epilogue, OutputTile};
use crate::kernels::cpu::nhwc::Nhwc;
use crate::kernels::cpu::output::SharedOutput;
use crate::kernels::cpu::simd::{place, vectorised};
use crate::kernels::geometry::Window;
use rayon::prelude::*;

impl Links {
    /// The other places of each of `places`, with the count that belongs to the two.
    fn with(&self, places: usize, count: impl Fn(usize, usize) -> f32) -> Vec<Vec<(usize, f32)>> {
        let of = |place| self.at(place).iter().map(|&(other, _)| (other, count(place, other))).collect();
        (0..places).map(of).collect()
    }
}

impl Nhwc {
    /// The sum of each window over the pixels that count of it, `counts` down and across.
    pub(in crate::kernels) fn avg_pool(&self, window: &Window, counts: &[Vec<f32>; 2]) -> Self {
        let [down, across] = [(&window.y, &counts[0]), (&window.x, &counts[1])]
            .map(|(axis, counts)| Links::sources(axis).with(axis.output, |o, _| counts[o]));
        self.weighted(&down, &across, Epilogue::default())
    }

    /// Each ∂y goes to the pixels of its window, divided by how many of it count.
    pub(in crate::kernels) fn avg_pool_vjp(
        &self,
        window: &Window,
        counts: &[Vec<f32>; 2],
        epilogue: Epilogue<'_>,
    ) -> Self {
        let [down, across] = [(&window.y, &counts[0]), (&window.x, &counts[1])]
            .map(|(axis, counts)| Links::readers(axis).with(axis.input, |_, o| counts[o]));
        self.weighted(&down, &across, epilogue)
    }

    /// For every pixel of the output the sum of this map's pixels in its lines `down` and columns `across`, each divided by
    /// the product of their counts.
    fn weighted(&self, down: &[Vec<(usize, f32)>], across: &[Vec<(usize, f32)>], epilogue: Epilogue<'_>) -> Self {
        let (h, w, c) = (down.len(), across.len(), self.c);
        let mut y = Buffer::any(self.n * h * w * c);
        epilogue.check(y.len(), c);
        // SAFETY: each line is one task's.
        let to = unsafe { SharedOutput::new(&mut y) };
        (0..self.n * h).into_par_iter().for_each(|line| {
            let sum = Sum { from: self, image: line / h, down: &down[line % h], across, line };
            weighted_line(&sum, &epilogue, to);
        });
        Self::new([self.n, h, w, c], y)
    }
}

/// A line of the output, counted through all images.
struct Sum<'a> {
    from: &'a Nhwc,
    image: usize,
    down: &'a [(usize, f32)],
    across: &'a [Vec<(usize, f32)>],
    line: usize,
}

vectorised! {
    fn weighted_line<S>(s: S, sum: &Sum<'_>, epilogue: &Epilogue<'_>, to: SharedOutput) {
        let (from, c) = (sum.from, sum.from.c);
        // Where each pixel that is summed lies, and its weight.
        let mut terms: Vec<(usize, f32)> = vec![];
        for (x, across) in sum.across.iter().enumerate() {
            terms.clear();
            for (iy, high) in sum.down {
                let start = (sum.image * from.h + iy) * from.row();
                terms.extend(across.iter().map(|(ix, wide)| (start + ix * c, 1.0 / (high * wide))));
            }
            for channel in (0..c).step_by(S::LANES) {
                let n = (c - channel).min(S::LANES);
                let mut total = s.splat(0.0);
                for &(at, weight) in &terms {
                    // SAFETY: the pixel lies in the map.
                    let v = unsafe { s.load_up_to(place(from.data(), at + channel, n), n) };
                    total = s.fma(v, s.splat(weight), total);
                }
                let at = (sum.line * sum.across.len() + x) * c + channel;
                // SAFETY: the pixel lies in the output, which the epilogue has been checked against.
                unsafe { epilogue.write::<S, 1, 1>(s, [[total]], to, OutputTile::one(channel, at, n)) }
            }
        }
    }
}
