//! The matrix product of pixels and packed weights, one thread's part of it.
//!
//! Pixels are read as they lie, one broadcast each; weights are packed into panels as wide as a tile of the product, so
//! that they are read in order. A tile's sums stay in registers from the first term to the last and are finished there:
//! every output is summed in one order, whatever the tile, the block or the number of threads.

use super::buffer::Buffer;
use super::epilogue::{Epilogue, OutputTile};
use super::output::SharedOutput;
use super::simd::{Simd, lanes, place, vectorised};
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

impl Panels {
    /// Packs matrices of which `values(r, o, into)` gives row `r`, column `o`: one number of each, in order.
    pub fn pack(matrices: usize, k: usize, o: usize, values: impl Fn(usize, usize, &mut [f32]) + Sync) -> Self {
        let lanes = lanes();
        let padded = o.next_multiple_of(lanes);
        let mut memory = Buffer::zeros(matrices * k * padded);
        // SAFETY: each panel is one task's.
        let to = unsafe { SharedOutput::new(&mut memory) };
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

    /// Row `r`, column `column` of a matrix.
    pub fn value(&self, matrix: usize, r: usize, column: usize) -> f32 {
        let first = column / self.panel() * self.panel();
        self.values[self.at(matrix, first) + r * self.width(first) + column - first]
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

/// c\[p, o\] = epilogue(Σ_k a\[p, k\] · weights\[k, o\]) for rows `p` and the columns `from..to`.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    /// Rows of `k` floats, `lda` floats apart; they may overlap.
    pub a: &'a [f32],
    pub lda: usize,
    pub rows: usize,
    /// Where the parts of a row begin that do not lie side by side, as the lines of a kernel's window: all are as long.
    pub parts: &'a [usize],
    pub weights: &'a Panels,
    pub matrix: usize,
    /// `from` is a multiple of [`Panels::panel`].
    pub columns: [usize; 2],
    /// Of the layer's channels, the one that is the matrix's column 0.
    pub channel: usize,
    /// Where the first row's column 0 lies in the output, and floats between rows.
    pub at: usize,
    pub ldc: usize,
    pub epilogue: Epilogue<'a>,
}

impl Product<'_> {
    /// The product, into `c`.
    ///
    /// # Panics
    /// If a matrix does not lie inside its slice.
    pub fn run(&self, c: SharedOutput) {
        let [from, to] = self.columns;
        if self.rows == 0 || from >= to {
            return;
        }
        let w = self.weights;
        assert!(to <= w.o && from % w.panel() == 0 && self.matrix < w.matrices, "these columns are not there");
        assert!(w.k.is_multiple_of(self.parts.len()), "every part is as long");
        let last = self.parts.iter().max().expect("a row has parts");
        let end = (self.rows - 1) * self.lda + last + w.k / self.parts.len();
        assert!(self.a.len() >= end, "a is too short");
        assert!(c.len() >= self.at + (self.rows - 1) * self.ldc + to, "c is too short");
        product(self, c);
    }
}

vectorised! {
    fn product<S>(s: S, p: &Product<'_>, c: SharedOutput) {
        let [from, to] = p.columns;
        let block = (ROWS_IN_CACHE / p.lda.max(1) / S::ROWS).max(1) * S::ROWS;
        for first in (0..p.rows).step_by(block) {
            let last = (first + block).min(p.rows);
            for column in (from..to).step_by(2 * S::LANES) {
                let n = (to - column).min(2 * S::LANES);
                let kernel = Microkernel { p, c, column, n };
                // SAFETY: `Product::run` has checked that rows, columns and panels lie inside their slices.
                unsafe {
                    if p.weights.width(column) > S::LANES {
                        kernel.rows::<S, 2>(s, first, last);
                    } else {
                        kernel.rows::<S, 1>(s, first, last);
                    }
                }
            }
        }
    }
}

/// Some rows of the product with one panel, a tile of sums after the other.
struct Microkernel<'a> {
    p: &'a Product<'a>,
    c: SharedOutput,
    column: usize,
    /// Columns that are written.
    n: usize,
}

impl Microkernel<'_> {
    /// # Safety
    /// Rows `first..last` of the product lie inside its slices, and the panel has N vectors.
    #[inline(always)]
    unsafe fn rows<S: Simd, const N: usize>(&self, s: S, mut first: usize, last: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if S::ROWS == 12 {
                while first + 12 <= last {
                    self.sums::<S, 12, N>(s, first);
                    first += 12;
                }
                if first + 8 <= last {
                    self.sums::<S, 8, N>(s, first);
                    first += 8;
                }
            } else {
                while first + 6 <= last {
                    self.sums::<S, 6, N>(s, first);
                    first += 6;
                }
            }
            if first + 4 <= last {
                self.sums::<S, 4, N>(s, first);
                first += 4;
            }
            if first + 2 <= last {
                self.sums::<S, 2, N>(s, first);
                first += 2;
            }
            if first < last {
                self.sums::<S, 1, N>(s, first);
            }
        }
    }

    /// R rows of N vectors.
    ///
    /// # Safety
    /// As [`Self::rows`].
    #[inline(always)]
    unsafe fn sums<S: Simd, const R: usize, const N: usize>(&self, s: S, first: usize) {
        let p = self.p;
        let k = p.weights.k / p.parts.len();
        for r in 0..R {
            let at = p.at + (first + r) * p.ldc + self.column;
            for v in 0..N {
                p.epilogue.prefetch(s, at + v * S::LANES);
            }
        }
        let mut sums = [[s.splat(0.0); N]; R];
        // SAFETY: R rows of k floats lie in `a`, k·N vectors in the panel.
        unsafe {
            let mut b = place(&p.weights.values, p.weights.at(p.matrix, self.column), p.weights.k * N * S::LANES);
            for part in p.parts {
                let a = place(p.a, first * p.lda + part, (R - 1) * p.lda + k);
                for i in 0..k {
                    let mut w = [s.splat(0.0); N];
                    for (v, w) in w.iter_mut().enumerate() {
                        *w = s.load(b.add(v * S::LANES));
                    }
                    b = b.add(N * S::LANES);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let x = s.splat(*a.add(r * p.lda + i));
                        for v in 0..N {
                            sums[v] = s.fma(x, w[v], sums[v]);
                        }
                    }
                }
            }
        }
        let tile = OutputTile {
            channel: p.channel + self.column,
            at: p.at + first * p.ldc + self.column,
            apart: p.ldc,
            rows: R,
            n: self.n,
        };
        // SAFETY: rows and columns lie in `c`, and the epilogue fits it.
        unsafe { p.epilogue.write::<S, R, N>(s, sums, self.c, tile) }
    }
}
