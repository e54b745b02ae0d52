//! Sums, sums of squares and extremes along axes, in float64 and in one order.

use super::buffer::Buffer;
use super::nhwc::{Elements, Nhwc};
use super::simd::vectorised;
use crate::kernels::axes::Fold;
use rayon::prelude::*;

/// Values a task takes at once, about.
const CHUNK: usize = 16 * 1024;
/// Sums of one row that run beside each other.
const LANES: usize = 8;

impl Fold {
    /// What changes nothing.
    fn start(self) -> f64 {
        match self {
            Self::Sum | Self::Squares => 0.0,
            Self::Max => f64::NEG_INFINITY,
            Self::Min => f64::INFINITY,
        }
    }

    /// How two results become one.
    fn joined(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Sum | Self::Squares => a + b,
            Self::Max => largest(a, b),
            Self::Min => least(a, b),
        }
    }

    /// What has been folded along one axis is folded so along the next.
    fn again(self) -> Self {
        if self == Self::Squares { Self::Sum } else { self }
    }
}

/// The larger; NaN if one is.
#[inline(always)]
fn largest(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

/// The lesser; NaN if one is.
#[inline(always)]
fn least(a: f64, b: f64) -> f64 {
    if b < a || b.is_nan() { b } else { a }
}

impl Elements<'_> {
    /// Multiplies every value.
    pub fn scale(self, factor: f32) {
        self.0.par_chunks_mut(CHUNK).for_each(|values| values.iter_mut().for_each(|v| *v *= factor));
    }
}

impl Nhwc {
    /// The fold over all places of each image, `[N · C]`.
    pub(super) fn fold_places(&self, fold: Fold) -> Vec<f64> {
        column_folds(self.data(), [self.n, self.h * self.w, self.c], fold)
    }

    /// The fold along the axes (in the order N, H, W, C) that are set, which stay with length 1.
    pub(in crate::kernels) fn fold(&self, axes: [bool; 4], fold: Fold) -> Self {
        let mut dims = [self.n, self.h, self.w, self.c];
        let mut y: Option<Buffer> = None;
        let mut end = 4;
        while end > 0 {
            let Some(last) = (0..end).rev().find(|&axis| axes[axis]) else { break };
            let first = (0..=last).rev().take_while(|&axis| axes[axis]).last().unwrap_or(last);
            let outer = dims[..first].iter().product();
            let along = dims[first..=last].iter().product();
            let inner = dims[last + 1..].iter().product();
            let so_far = if y.is_some() { fold.again() } else { fold };
            y = Some(folded(y.as_deref().unwrap_or(self.data()), [outer, along, inner], so_far));
            dims[first..=last].fill(1);
            end = first;
        }
        let y = y.unwrap_or_else(|| folded(self.data(), [self.data().len(), 1, 1], fold));
        Self::new(dims, y)
    }
}

/// `[outer, along, inner]` to `[outer, 1, inner]`.
fn folded(data: &[f32], [outer, along, inner]: [usize; 3], fold: Fold) -> Buffer {
    let mut y = Buffer::any(outer * inner);
    if inner == 1 {
        let rows = (CHUNK / along.max(1)).max(1);
        y.par_chunks_mut(rows).enumerate().for_each(|(task, to)| {
            fold_rows(&data[task * rows * along..][..to.len() * along], along, fold, to);
        });
    } else {
        let columns = column_folds(data, [outer, along, inner], fold);
        y.par_chunks_mut(CHUNK).zip(columns.par_chunks(CHUNK)).for_each(|(to, columns)| {
            to.iter_mut().zip(columns).for_each(|(to, v)| *to = *v as f32);
        });
    }
    y
}

/// `[outer, along, inner]` to `[outer, inner]`. Each task has some of the rows of one block; their results become one, in
/// order.
fn column_folds(data: &[f32], [outer, along, inner]: [usize; 3], fold: Fold) -> Vec<f64> {
    let rows = (CHUNK / inner.max(1)).max(1);
    let blocks = along.div_ceil(rows).max(1);
    let mut parts = vec![fold.start(); outer * blocks * inner];
    parts.par_chunks_mut(inner.max(1)).enumerate().for_each(|(task, folded)| {
        let (block, first) = (task / blocks, task % blocks * rows);
        let last = (first + rows).min(along);
        fold_columns(&data[(block * along + first) * inner..(block * along + last) * inner], fold, folded);
    });
    if blocks == 1 {
        return parts;
    }
    let mut folds = vec![fold.start(); outer * inner];
    folds.par_chunks_mut(inner.max(1)).zip(parts.par_chunks((blocks * inner).max(1))).for_each(|(to, parts)| {
        for part in parts.chunks(inner.max(1)) {
            to.iter_mut().zip(part).for_each(|(to, v)| *to = fold.joined(*to, *v));
        }
    });
    folds
}

/// Σ a.
#[inline(always)]
pub(super) fn sum(a: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let a = a.chunks_exact(LANES);
    let mut rest = 0.0;
    for a in a.remainder() {
        rest += f64::from(*a);
    }
    for a in a {
        for l in 0..LANES {
            lanes[l] += f64::from(a[l]);
        }
    }
    for lane in lanes {
        rest += lane;
    }
    rest
}

/// Σ a·b.
#[inline(always)]
pub(super) fn sum_of_products(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut rest = 0.0;
    for (a, b) in a.remainder().iter().zip(b.remainder()) {
        rest += f64::from(*a) * f64::from(*b);
    }
    for (a, b) in a.zip(b) {
        for l in 0..LANES {
            lanes[l] += f64::from(a[l]) * f64::from(b[l]);
        }
    }
    for lane in lanes {
        rest += lane;
    }
    rest
}

vectorised! {
    /// Folds each of the rows of `along` values into one.
    fn fold_rows<S>(_s: S, data: &[f32], along: usize, fold: Fold, to: &mut [f32]) {
        for (i, to) in to.iter_mut().enumerate() {
            let row = &data[i * along..][..along];
            let folded = match fold {
                Fold::Sum => sum(row),
                Fold::Squares => sum_of_products(row, row),
                Fold::Max | Fold::Min => {
                    let mut folded = fold.start();
                    for v in row {
                        folded = fold.joined(folded, f64::from(*v));
                    }
                    folded
                }
            };
            *to = folded as f32;
        }
    }
}

vectorised! {
    /// Folds rows as long as `folded` into it, column by column.
    fn fold_columns<S>(_s: S, data: &[f32], fold: Fold, folded: &mut [f64]) {
        for row in data.chunks_exact(folded.len().max(1)) {
            match fold {
                Fold::Sum => for (to, v) in folded.iter_mut().zip(row) { *to += f64::from(*v); },
                Fold::Squares => for (to, v) in folded.iter_mut().zip(row) { *to += f64::from(*v) * f64::from(*v); },
                Fold::Max => for (to, v) in folded.iter_mut().zip(row) { *to = largest(*to, f64::from(*v)); },
                Fold::Min => for (to, v) in folded.iter_mut().zip(row) { *to = least(*to, f64::from(*v)); },
            }
        }
    }
}
