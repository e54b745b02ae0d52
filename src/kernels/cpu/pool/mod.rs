//! Pooling.

mod average;
mod max;

use super::buffer::Buffer;
use super::nhwc::Nhwc;
use super::simd::vectorised;
use crate::kernels::geometry::Axis;
use rayon::prelude::*;

/// What each place along an axis has to do with places of the other side of a window.
struct Links {
    /// The other place, and the tap that joins them.
    pairs: Vec<(usize, usize)>,
    /// The pairs of place `i` are `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
}

impl Links {
    /// The inputs that each output reads.
    fn sources(a: &Axis) -> Self {
        Self::of(a.output, |o| {
            let start = (o * a.stride).cast_signed() - a.pad;
            a.taps_within(o, 0, 0).map(move |k| ((start + (k * a.dilation).cast_signed()).cast_unsigned(), k))
        })
    }

    /// The outputs that read each input.
    fn readers(a: &Axis) -> Self {
        let mut readers = vec![vec![]; a.input];
        for o in 0..a.output {
            let start = (o * a.stride).cast_signed() - a.pad;
            for k in a.taps_within(o, 0, 0) {
                readers[(start + (k * a.dilation).cast_signed()).cast_unsigned()].push((o, k));
            }
        }
        Self::of(a.input, |i| std::mem::take(&mut readers[i]))
    }

    fn of<T: IntoIterator<Item = (usize, usize)>>(places: usize, mut pairs: impl FnMut(usize) -> T) -> Self {
        let mut links = Self { pairs: vec![], starts: vec![0] };
        for place in 0..places {
            links.pairs.extend(pairs(place));
            links.starts.push(links.pairs.len());
        }
        links
    }

    fn at(&self, place: usize) -> &[(usize, usize)] {
        &self.pairs[self.starts[place]..self.starts[place + 1]]
    }
}

impl Nhwc {
    pub(in crate::kernels) fn global_mean(&self) -> Self {
        let (area, c) = (self.h * self.w, self.c);
        let scale = 1.0 / area as f32;
        let mut y = Buffer::zeros(self.n * c);
        let images = y.par_chunks_mut(c.max(1)).zip(self.data().par_chunks((area * c).max(1)));
        images.for_each(|(sum, image)| {
            add_pixels(sum, image);
            sum.iter_mut().for_each(|v| *v *= scale);
        });
        Self::new([self.n, 1, 1, c], y)
    }

    /// The vjp of [`Self::global_mean`] for maps of `h` × `w`.
    pub(in crate::kernels) fn spread_mean(&self, h: usize, w: usize) -> Self {
        let scale = 1.0 / (h * w) as f32;
        let mut dx = Buffer::any(self.n * h * w * self.c);
        let c = self.c.max(1);
        for (image, pixel) in dx.chunks_mut(h * w * c).zip(self.data().chunks(c)) {
            for to in image.chunks_mut(c) {
                for (to, v) in to.iter_mut().zip(pixel) {
                    *to = v * scale;
                }
            }
        }
        Self::new([self.n, h, w, self.c], dx)
    }
}

vectorised! {
    fn add_pixels<S>(_s: S, sum: &mut [f32], image: &[f32]) {
        for pixel in image.chunks(sum.len()) {
            for (sum, v) in sum.iter_mut().zip(pixel) {
                *sum += v;
            }
        }
    }
}
