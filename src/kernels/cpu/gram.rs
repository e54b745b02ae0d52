//! Products of channels, summed over pixels.

use super::buffer::Buffer;
use super::epilogue::Epilogue;
use super::gemm::{Panels, Product};
use super::nhwc::Nhwc;
use super::output::SharedOutput;
use super::simd::{Simd, place, vectorised};
use rayon::prelude::*;

/// Floats of a map that stay in the L2 cache while tile after tile of the sums goes over them.
const IN_CACHE: usize = 32 * 1024;
/// Pixels that are summed on their own at least, and how often at most: the order of summation depends on the shape
/// alone.
const SHARE: usize = 2048;
const SHARES: usize = 8;

impl Nhwc {
    /// Σ over the pixels of all images of F_i·F_j, row by row, `[C, C]`.
    pub(in crate::kernels) fn channel_products(&self) -> Vec<f32> {
        let (c, pixels) = (self.c, self.n * self.h * self.w);
        let shares = (pixels / SHARE).clamp(1, SHARES);
        let share = pixels.div_ceil(shares).max(1);
        let bands = SHARES.div_ceil(shares);
        let band = c.div_ceil(bands).max(1);
        let mut sums = Buffer::zeros(shares * c * c);
        // SAFETY: each task has its own rows of its own share.
        let to = unsafe { SharedOutput::new(&mut sums) };
        (0..shares * bands).into_par_iter().for_each(|task| {
            let (s, rows) = (task / bands, task % bands * band);
            let pixels = [s * share, ((s + 1) * share).min(pixels)];
            sum(self.data(), c, pixels, [rows.min(c), (rows + band).min(c)], to, s * c * c);
        });
        let (first, others) = sums.split_at_mut(c * c);
        for other in others.chunks(c * c) {
            first.iter_mut().zip(other).for_each(|(sum, v)| *sum += v);
        }
        // Only what lies right of the diagonal's tiles has been summed.
        let mut all = first.to_vec();
        for i in 0..c {
            for j in 0..i {
                all[i * c + j] = all[j * c + i];
            }
        }
        all
    }

    /// Each pixel's channels times a matrix `[C, C]` given row by row.
    pub(in crate::kernels) fn mixed_channels(&self, matrix: &[f32]) -> Self {
        let c = self.c;
        let weights = Panels::pack(1, c, c, |i, j, into| into[0] = matrix[i * c + j]);
        let pixels = self.n * self.h * self.w;
        let mut y = Buffer::any(self.data().len());
        // SAFETY: each task has its own pixels.
        let to = unsafe { SharedOutput::new(&mut y) };
        let block = (IN_CACHE / c.max(1)).max(12);
        (0..pixels.div_ceil(block)).into_par_iter().for_each(|b| {
            let (first, rows) = (b * block, block.min(pixels - b * block));
            let a = &self.data()[first * c..(first + rows) * c];
            let (columns, channel, at, epilogue) = ([0, c], 0, first * c, Epilogue::default());
            Product {
                a,
                lda: c,
                rows,
                parts: &[0],
                weights: &weights,
                matrix: 0,
                columns,
                channel,
                at,
                ldc: c,
                epilogue,
            }
            .run(to);
        });
        Self::new([self.n, self.h, self.w, c], y)
    }
}

vectorised! {
    /// Adds the products of rows `rows` with the columns from the same place on to `to[at..]`, row by row.
    fn sum<S>(s: S, data: &[f32], c: usize, pixels: [usize; 2], rows: [usize; 2], to: SharedOutput, at: usize) {
        let block = (IN_CACHE / c).max(1);
        for first in (pixels[0]..pixels[1]).step_by(block) {
            let last = (first + block).min(pixels[1]);
            let data = &data[first * c..last * c];
            let mut row = rows[0];
            while row < rows[1] {
                let left = rows[1] - row;
                // SAFETY: rows and columns lie below c, pixels in `data`, the sums in `to`.
                row += unsafe {
                    if S::ROWS == 12 && left >= 12 {
                        columns::<S, 12>(s, data, c, row, to, at)
                    } else if left >= 6 {
                        columns::<S, 6>(s, data, c, row, to, at)
                    } else if left >= 4 {
                        columns::<S, 4>(s, data, c, row, to, at)
                    } else {
                        columns::<S, 1>(s, data, c, row, to, at)
                    }
                };
            }
        }
    }
}

/// R rows with every column from the first of them on, two vectors of columns at a time.
///
/// # Safety
/// `row + R` ≤ `c`, `data` is whole pixels, `to` has `c`² sums from `at` on.
#[inline(always)]
unsafe fn columns<S: Simd, const R: usize>(
    s: S,
    data: &[f32],
    c: usize,
    row: usize,
    to: SharedOutput,
    at: usize,
) -> usize {
    let mut column = row / S::LANES * S::LANES;
    // SAFETY: the caller's promise; N vectors or what is left of them lie below c.
    unsafe {
        while column + 2 * S::LANES <= c {
            tile::<S, R, 2, true>(s, data, c, [row, column], to, at, S::LANES);
            column += 2 * S::LANES;
        }
        if column + S::LANES <= c {
            tile::<S, R, 1, true>(s, data, c, [row, column], to, at, S::LANES);
            column += S::LANES;
        }
        if column < c {
            tile::<S, R, 1, false>(s, data, c, [row, column], to, at, c - column);
        }
    }
    R
}

/// R rows with N vectors of columns; the last of the vectors has `n` columns.
///
/// # Safety
/// As [`columns`].
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const N: usize, const FULL: bool>(
    s: S,
    data: &[f32],
    c: usize,
    [row, column]: [usize; 2],
    to: SharedOutput,
    at: usize,
    n: usize,
) {
    let mut sums = [[s.splat(0.0); N]; R];
    let wide = (N - 1) * S::LANES + n;
    for pixel in data.chunks_exact(c) {
        // SAFETY: channels of one pixel.
        unsafe {
            let from = place(pixel, column, wide);
            let mut v = [s.splat(0.0); N];
            for (i, v) in v.iter_mut().enumerate() {
                *v = s.load_if::<FULL>(from.add(i * S::LANES), n);
            }
            let rows = place(pixel, row, R);
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(*rows.add(r));
                for (sum, v) in sums.iter_mut().zip(v) {
                    *sum = s.fma(x, v, *sum);
                }
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let to = to.at(at + (row + r) * c + column, wide);
            for (i, sum) in sums.into_iter().enumerate() {
                let to = to.add(i * S::LANES);
                s.store_if::<FULL>(to, s.add(s.load_if::<FULL>(to, n), sum), n);
            }
        }
    }
}
