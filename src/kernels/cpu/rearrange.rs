//! Sparse matrices along one axis, and blocks of places that become channels.

use super::buffer::Buffer;
use super::nhwc::Nhwc;
use super::simd::vectorised;
use crate::kernels::separable::AxisMap;
use crate::kernels::{BlockOrder, DepthToSpace};
use rayon::prelude::*;

/// Values a task makes at once, about.
const CHUNK: usize = 16 * 1024;

impl Nhwc {
    /// The product of a matrix with axis 0 (channels), 1 (rows) or 2 (columns).
    pub(in crate::kernels) fn mapped(&self, axis: usize, map: &AxisMap, fill: f32) -> Self {
        let (mut dims, position) = ([self.n, self.h, self.w, self.c], [3, 1, 2][axis]);
        debug_assert_eq!(dims[position], map.input());
        let outer: usize = dims[..position].iter().product();
        let inner: usize = dims[position + 1..].iter().product();
        dims[position] = map.output();
        let (from, to) = (map.input() * inner, map.output() * inner);
        let mut y = Buffer::any(outer * to);
        if to >= CHUNK {
            let outputs = (CHUNK / inner).max(1);
            for (y, x) in y.chunks_mut(to).zip(self.data().chunks(from)) {
                let tasks = y.par_chunks_mut(outputs * inner).enumerate();
                tasks.for_each(|(task, y)| product(map, x, inner, fill, task * outputs, y));
            }
        } else {
            let rows = (CHUNK / to.max(1)).max(1);
            let tasks = y.par_chunks_mut((rows * to).max(1)).zip(self.data().par_chunks((rows * from).max(1)));
            // A shuffle of channels: single values, where copying runs of them would cost more than the values.
            let shuffle = map.copies().filter(|copies| inner == 1 && copies.len() < 8 * map.breaks());
            tasks.for_each(|(y, x)| {
                if let Some(copies) = shuffle {
                    return gather(copies, x, from, y);
                }
                for (y, x) in y.chunks_mut(to.max(1)).zip(x.chunks(from.max(1))) {
                    product(map, x, inner, fill, 0, y);
                }
            });
        }
        Self::new(dims, y)
    }

    pub(in crate::kernels) fn depth_to_space(&self, blocks: DepthToSpace) -> Self {
        let b = blocks.block;
        let (c, row) = (self.c / (b * b), self.row());
        let mut y = Buffer::any(self.data().len());
        y.par_chunks_mut(row.max(1)).zip(self.data().par_chunks(row.max(1))).for_each(|(block, line)| {
            for (i, to) in block.chunks_mut(row / b).enumerate() {
                for (at, to) in to.chunks_mut(c).enumerate() {
                    let (x, j) = (at / b, at % b);
                    let pixel = &line[x * self.c..][..self.c];
                    each_of_place(blocks, [i, j], c, |channel, from| to[channel] = pixel[from]);
                }
            }
        });
        Self::new([self.n, self.h * b, self.w * b, c], y)
    }

    pub(in crate::kernels) fn space_to_depth(&self, blocks: DepthToSpace) -> Self {
        let b = blocks.block;
        let (deep, row) = (self.c * b * b, self.row());
        let mut y = Buffer::any(self.data().len());
        y.par_chunks_mut((row * b).max(1)).zip(self.data().par_chunks((row * b).max(1))).for_each(|(line, block)| {
            for (i, from) in block.chunks(row).enumerate() {
                for (at, from) in from.chunks(self.c).enumerate() {
                    let (x, j) = (at / b, at % b);
                    let pixel = &mut line[x * deep..][..deep];
                    each_of_place(blocks, [i, j], self.c, |channel, to| pixel[to] = from[channel]);
                }
            }
        });
        Self::new([self.n, self.h / b, self.w / b, deep], y)
    }
}

/// Calls `visit(channel, where it lies among those of the whole block)` for each of `c` channels of a place of a block.
#[inline(always)]
fn each_of_place(blocks: DepthToSpace, [i, j]: [usize; 2], c: usize, mut visit: impl FnMut(usize, usize)) {
    let place = i * blocks.block + j;
    let [first, step] = match blocks.order {
        BlockOrder::PlaceFirst => [place * c, 1],
        BlockOrder::ChannelFirst => [place, blocks.block * blocks.block],
    };
    for channel in 0..c {
        visit(channel, first + channel * step);
    }
}

/// For each row of `from` values, the copies.
fn gather(copies: &[(usize, f32)], x: &[f32], from: usize, y: &mut [f32]) {
    for (y, x) in y.chunks_mut(copies.len()).zip(x.chunks(from)) {
        for (y, (index, _)) in y.iter_mut().zip(copies) {
            *y = x[*index];
        }
    }
}

vectorised! {
    /// Outputs of a matrix from `first` on, as many as `y` holds, each of `inner` values.
    fn product<S>(_s: S, map: &AxisMap, x: &[f32], inner: usize, fill: f32, first: usize, y: &mut [f32]) {
        let outputs = y.len() / inner;
        let mut at = 0;
        while at < outputs {
            let run = map.run(first + at).min(outputs - at);
            let to = &mut y[at * inner..][..run.max(1) * inner];
            match map.taps(first + at) {
                [] => to.fill(fill),
                [(from, _), ..] if run > 0 => to.copy_from_slice(&x[from * inner..][..run * inner]),
                [(a, by_a), (b, by_b)] => {
                    let (a, b) = (&x[a * inner..][..inner], &x[b * inner..][..inner]);
                    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                        *to = a * by_a + b * by_b;
                    }
                }
                [(a, by_a), others @ ..] => {
                    for (to, a) in to.iter_mut().zip(&x[a * inner..][..inner]) {
                        *to = a * by_a;
                    }
                    for (b, by_b) in others {
                        for (to, b) in to.iter_mut().zip(&x[b * inner..][..inner]) {
                            *to += b * by_b;
                        }
                    }
                }
            }
            at += run.max(1);
        }
    }
}
