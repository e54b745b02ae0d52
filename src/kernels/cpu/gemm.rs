//! The matrix product of pixels and packed weights, one thread's part of it.
//!
//! Pixels are read as they lie, one broadcast each; weights are packed into panels as wide as a tile of the product, so
//! that they are read in order. A tile's sums stay in registers from the first term to the last and are ended there:
//! every output is summed in one order, whatever the tile, the block or the number of threads.

use super::buffer::Buffer;
use super::ending::{self, Ending};
use super::simd::{Level, Simd, level, place, vectorised};
use rayon::prelude::*;

/// Floats of pixels that stay in the L2 cache while panel after panel goes over them.
const ROWS_IN_CACHE: usize = 64 * 1024;

/// Matrices `[k, o]` in panels of two vectors (one where the rest of the columns fits) of the processor.
#[derive(Debug)]
pub(super) struct Panels {
    values: Buffer,
    k: usize,
    o: usize,
    matrices: usize,
    /// Columns of a matrix with its padding.
    padded: usize,
    lanes: usize,
}

/// Floats of a vector at this processor's level.
pub(super) fn lanes() -> usize {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => super::simd::Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => super::simd::Avx2::LANES,
        Level::Baseline => super::simd::Baseline::LANES,
    }
}

impl Panels {
    /// Packs matrices of which `values(r, o, into)` gives row `r`, column `o`: one number of each, in order.
    pub fn pack(matrices: usize, k: usize, o: usize, values: impl Fn(usize, usize, &mut [f32]) + Sync) -> Self {
        let lanes = lanes();
        let padded = o.next_multiple_of(lanes);
        let mut memory = Buffer::zeros(matrices * k * padded);
        // SAFETY: each panel is one task's.
        let to = unsafe { Output::new(&mut memory) };
        let panels = Self { values: memory, k, o, matrices, padded, lanes };
        let starts = (0..padded).into_par_iter().step_by(2 * lanes);
        starts.for_each_init(
            || vec![0.0; matrices],
            |numbers, first| {
                let width = panels.width(first);
                for r in 0..k {
                    for column in first..(first + width).min(o) {
                        values(r, column, numbers);
                        for (m, number) in numbers.iter().enumerate() {
                            // SAFETY: the place of row and column in its panel.
                            unsafe { *to.at(panels.at(m, first) + r * width + column - first, 1) = *number }
                        }
                    }
                }
            },
        );
        panels
    }

    pub fn columns(&self) -> usize {
        self.o
    }

    pub fn rows(&self) -> usize {
        self.k
    }

    /// Columns of a whole panel: parts of a product start at multiples of it.
    pub fn panel(&self) -> usize {
        2 * self.lanes
    }

    fn width(&self, first: usize) -> usize {
        (self.padded - first).min(2 * self.lanes)
    }

    fn at(&self, matrix: usize, first: usize) -> usize {
        (matrix * self.padded + first) * self.k
    }
}

/// c\[p, o\] = ending(Σ_k a\[p, k\] · weights\[k, o\]) for rows `p` and the columns `from..to`.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    /// Rows of `k` floats, `lda` floats apart; they may overlap.
    pub a: &'a [f32],
    pub lda: usize,
    pub rows: usize,
    /// Parts of a row that do not lie side by side, as the lines of a kernel's window, and floats between them.
    pub lines: [usize; 2],
    pub weights: &'a Panels,
    pub matrix: usize,
    /// `from` is a multiple of [`Panels::panel`].
    pub columns: [usize; 2],
    /// Where the first row's column 0 lies in the output, and floats between rows.
    pub at: usize,
    pub ldc: usize,
    pub ending: Ending<'a>,
}

/// An output that several tasks write, each its own part.
#[derive(Clone, Copy)]
pub(super) struct Output {
    start: *mut f32,
    len: usize,
}

// SAFETY: tasks write parts that do not overlap, as `Output::new` asks.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// # Safety
    /// While the output is used nothing else touches `to`, and no two threads write one element.
    pub unsafe fn new(to: &mut [f32]) -> Self {
        Self { start: to.as_mut_ptr(), len: to.len() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Asks for the cache line of the float at `at`, which need not be there.
    #[inline(always)]
    pub fn prefetch<S: Simd>(&self, at: usize) {
        S::prefetch(self.start.wrapping_add(at));
    }

    /// Where `n` floats lie. The feature `checked` looks whether they do.
    ///
    /// # Safety
    /// `at + n` ≤ len.
    #[inline(always)]
    pub unsafe fn at(&self, at: usize, n: usize) -> *mut f32 {
        if cfg!(feature = "checked") {
            assert!(at + n <= self.len, "{n} floats at {at} of {}", self.len);
        }
        // SAFETY: the caller's promise.
        unsafe { self.start.add(at) }
    }
}

impl Product<'_> {
    /// The product, into `c`.
    ///
    /// # Panics
    /// If a matrix does not lie inside its slice.
    pub fn run(&self, c: Output) {
        let [from, to] = self.columns;
        if self.rows == 0 || from >= to {
            return;
        }
        let w = self.weights;
        assert!(to <= w.o && from % w.panel() == 0 && self.matrix < w.matrices, "these columns are not there");
        let [lines, apart] = self.lines;
        assert!(w.k.is_multiple_of(lines), "every line is as long");
        let end = (self.rows - 1) * self.lda + (lines - 1) * apart + w.k / lines;
        assert!(self.a.len() >= end, "a is too short");
        assert!(c.len() >= self.at + (self.rows - 1) * self.ldc + to, "c is too short");
        product(self, c);
    }
}

vectorised! {
    fn product<S>(p: &Product<'_>, c: Output) {
        let [from, to] = p.columns;
        let block = (ROWS_IN_CACHE / p.lda.max(1) / S::ROWS).max(1) * S::ROWS;
        for first in (0..p.rows).step_by(block) {
            let last = (first + block).min(p.rows);
            for column in (from..to).step_by(2 * S::LANES) {
                let n = (to - column).min(2 * S::LANES);
                let tile = Tile { p, c, column, n };
                // SAFETY: `Product::run` has checked that rows, columns and panels lie inside their slices.
                unsafe {
                    if p.weights.width(column) > S::LANES {
                        tile.rows::<S, 2>(first, last);
                    } else {
                        tile.rows::<S, 1>(first, last);
                    }
                }
            }
        }
    }
}

/// Some rows of one panel.
struct Tile<'a> {
    p: &'a Product<'a>,
    c: Output,
    column: usize,
    /// Columns that are written.
    n: usize,
}

impl Tile<'_> {
    /// # Safety
    /// Rows `first..last` of the product lie inside its slices, and the panel has N vectors.
    #[inline(always)]
    unsafe fn rows<S: Simd, const N: usize>(&self, mut first: usize, last: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if S::ROWS == 12 {
                while first + 12 <= last {
                    self.sums::<S, 12, N>(first);
                    first += 12;
                }
                if first + 8 <= last {
                    self.sums::<S, 8, N>(first);
                    first += 8;
                }
            } else {
                while first + 6 <= last {
                    self.sums::<S, 6, N>(first);
                    first += 6;
                }
            }
            if first + 4 <= last {
                self.sums::<S, 4, N>(first);
                first += 4;
            }
            if first + 2 <= last {
                self.sums::<S, 2, N>(first);
                first += 2;
            }
            if first < last {
                self.sums::<S, 1, N>(first);
            }
        }
    }

    /// R rows of N vectors.
    ///
    /// # Safety
    /// As [`Self::rows`].
    #[inline(always)]
    unsafe fn sums<S: Simd, const R: usize, const N: usize>(&self, first: usize) {
        let p = self.p;
        let k = p.weights.k / p.lines[0];
        for r in 0..R {
            let at = p.at + (first + r) * p.ldc + self.column;
            for v in 0..N {
                p.ending.prefetch::<S>(at + v * S::LANES);
            }
        }
        let mut sums = [[S::splat(0.0); N]; R];
        // SAFETY: R rows of k floats lie in `a`, k·N vectors in the panel.
        unsafe {
            let mut a = place(p.a, first * p.lda, (R - 1) * p.lda + (p.lines[0] - 1) * p.lines[1] + k);
            let mut b = place(&p.weights.values, p.weights.at(p.matrix, self.column), p.weights.k * N * S::LANES);
            for _ in 0..p.lines[0] {
                for i in 0..k {
                    let mut w = [S::splat(0.0); N];
                    for (v, w) in w.iter_mut().enumerate() {
                        *w = S::load(b.add(v * S::LANES));
                    }
                    b = b.add(N * S::LANES);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let x = S::splat(*a.add(r * p.lda + i));
                        for v in 0..N {
                            sums[v] = S::fma(x, w[v], sums[v]);
                        }
                    }
                }
                a = a.wrapping_add(p.lines[1]);
            }
        }
        let tile = ending::Tile {
            channel: self.column,
            at: p.at + first * p.ldc + self.column,
            apart: p.ldc,
            rows: R,
            n: self.n,
        };
        // SAFETY: rows and columns lie in `c`, and the ending fits it.
        unsafe { p.ending.write::<S, R, N>(sums, self.c, tile) }
    }
}
