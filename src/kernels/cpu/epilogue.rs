//! What happens to a value between its sum and its place in the output, in registers.

use super::output::SharedOutput;
use super::simd::{Simd, place};
use crate::kernels::rectifier::{Activation, ReluRule};

/// scale · sum + bias, then the rectifier; or, on the way back, the sum of gradients and the rectifier's gate.
#[derive(Clone, Copy, Default)]
pub(in crate::kernels) struct Epilogue<'a> {
    /// Of the convolution: filled up to whole vectors.
    pub affine: Option<&'a Affine>,
    /// Added after the affine part; of the output's shape.
    pub add: Option<&'a [f32]>,
    pub activation: Option<Activation>,
    pub gate: Option<Mask<'a>>,
}

/// Where a rectifier whose output is `y` lets a gradient through.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Mask<'a> {
    /// Of the output's shape.
    pub y: &'a [f32],
    pub cap: f32,
    pub rule: ReluRule,
}

/// scale · y + bias for each channel.
#[derive(Debug)]
pub(in crate::kernels) struct Affine {
    scale: Option<Vec<f32>>,
    bias: Vec<f32>,
}

/// Floats that vectors read past the last channel.
const MARGIN: usize = 32;

impl Affine {
    /// `None` where there is neither.
    pub fn new(scale: Option<Vec<f32>>, bias: Option<Vec<f32>>, channels: usize) -> Option<Self> {
        if scale.is_none() && bias.is_none() {
            return None;
        }
        let padded = |mut v: Vec<f32>| {
            v.resize(channels + MARGIN, 0.0);
            v
        };
        Some(Self { scale: scale.map(padded), bias: padded(bias.unwrap_or_default()) })
    }
}

/// For every vector of a tile that is written: itself, its place and its floats. A closure might not be inlined, and then
/// would not have the vector instructions.
macro_rules! each {
    ($sums:ident, $tile:ident, |$v:ident, $at:ident, $n:ident| $with:expr) => {
        for (r, row) in $sums.iter_mut().enumerate() {
            for (v, $v) in row.iter_mut().enumerate() {
                let done = v * S::LANES;
                if FULL || (r < $tile.rows && done < $tile.n) {
                    let $at = $tile.at + r * $tile.apart + done;
                    let $n = if FULL { S::LANES } else { ($tile.n - done).min(S::LANES) };
                    $with;
                }
            }
        }
    };
}

impl Epilogue<'_> {
    /// Checks once what [`Self::write`] relies on.
    ///
    /// # Panics
    /// If a map does not have `len` elements or the affine part not `channels` channels.
    pub(super) fn check(&self, len: usize, channels: usize) {
        assert!(self.affine.is_none_or(|a| a.bias.len() == channels + MARGIN), "a bias must fit the channels");
        assert!(self.add.is_none_or(|a| a.len() == len), "maps that are added must fit");
        assert!(self.gate.is_none_or(|g| g.y.len() == len), "a gate must fit");
    }

    /// Ends R rows of N vectors of sums and writes them.
    ///
    /// # Safety
    /// [`Self::check`] has passed for the output `to`, in which the tile's rows and channels lie.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd, const R: usize, const N: usize>(
        &self,
        s: S,
        sums: [[S::V; N]; R],
        to: SharedOutput,
        tile: OutputTile,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if tile.rows == R && tile.n == N * S::LANES {
                self.write_if::<S, R, N, true>(s, sums, to, tile);
            } else {
                self.write_if::<S, R, N, false>(s, sums, to, tile);
            }
        }
    }

    /// [`Self::write`], step by step over the whole tile, so that it stays in registers and each question is asked once.
    ///
    /// # Safety
    /// As [`Self::write`]; if `FULL`, the tile has R rows of N whole vectors.
    #[inline(always)]
    unsafe fn write_if<S: Simd, const R: usize, const N: usize, const FULL: bool>(
        &self,
        s: S,
        mut sums: [[S::V; N]; R],
        to: SharedOutput,
        tile: OutputTile,
    ) {
        // SAFETY: the affine part has a margin of vectors; the rest is as long as the output.
        unsafe {
            if let Some(affine) = self.affine {
                if let Some(scale) = &affine.scale {
                    for v in 0..N {
                        let scale = s.load(place(scale, tile.channel + v * S::LANES, S::LANES));
                        for row in &mut sums {
                            row[v] = s.mul(row[v], scale);
                        }
                    }
                }
                for v in 0..N {
                    let bias = s.load(place(&affine.bias, tile.channel + v * S::LANES, S::LANES));
                    for row in &mut sums {
                        row[v] = s.add(row[v], bias);
                    }
                }
            }
            if let Some(add) = self.add {
                each!(sums, tile, |v, at, n| *v = s.add(*v, s.load_if::<FULL>(place(add, at, n), n)));
            }
            if let Some(activation) = self.activation {
                let (low, high) = (s.splat(0.0), s.splat(activation.cap()));
                for v in sums.as_flattened_mut() {
                    *v = s.clamp(*v, low, high);
                }
            }
            if let Some(gate) = &self.gate {
                each!(sums, tile, |v, at, n| {
                    *v = gate.pass(s, *v, s.load_if::<FULL>(place(gate.y, at, n), n));
                });
            }
            each!(sums, tile, |v, at, n| s.store_if::<FULL>(to.at(at, n), *v, n));
        }
    }

    /// Asks for what [`Self::write`] will read at `at`, while there is other work to do.
    #[inline(always)]
    pub(super) fn prefetch<S: Simd>(&self, s: S, at: usize) {
        if let Some(gate) = &self.gate {
            s.prefetch(gate.y.as_ptr().wrapping_add(at));
        }
        if let Some(add) = self.add {
            s.prefetch(add.as_ptr().wrapping_add(at));
        }
    }
}

/// Where a tile of sums lies in the output.
#[derive(Clone, Copy)]
pub(super) struct OutputTile {
    /// Of the first vector.
    pub channel: usize,
    /// Of the first row's first float, and floats between rows.
    pub at: usize,
    pub apart: usize,
    /// Rows, and floats of a row, that are written.
    pub rows: usize,
    pub n: usize,
}

impl OutputTile {
    /// `n` floats of one vector.
    pub fn one(channel: usize, at: usize, n: usize) -> Self {
        Self { channel, at, apart: 0, rows: 1, n }
    }
}

impl Mask<'_> {
    #[inline(always)]
    pub(super) fn pass<S: Simd>(&self, s: S, g: S::V, y: S::V) -> S::V {
        match self.rule {
            ReluRule::Standard => s.gate(g, y, s.splat(self.cap)),
            ReluRule::Guided => s.gate(s.positive(g), y, s.splat(self.cap)),
            ReluRule::Deconvnet => s.positive(g),
        }
    }
}
