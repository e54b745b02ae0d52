//! Pooling.

use super::nhwc::Nhwc;
use super::wide::wide;
use crate::kernels::geometry::Window;
use rayon::prelude::*;

impl Nhwc {
    pub(in crate::kernels) fn max_pool(&self, window: &Window) -> Self {
        let (out_h, out_w, c) = (window.y.output, window.x.output, self.c);
        let mut y = vec![f32::NEG_INFINITY; self.n * out_h * out_w * c];
        y.par_chunks_mut(out_w * c).enumerate().for_each(|(line, y)| {
            largest_of_line(y, line, self, window);
        });
        Self::new([self.n, out_h, out_w, c], y)
    }

    /// Each ∂y goes to the first of the largest pixels in its window.
    pub(in crate::kernels) fn max_pool_vjp(&self, dy: &Self, window: &Window) -> Self {
        let (out_h, c) = (window.y.output, self.c);
        let mut dx = vec![0.0; self.data().len()];
        // Windows may overlap, so one task owns an image.
        dx.par_chunks_mut((self.h * self.row()).max(1)).enumerate().for_each(|(image, dx)| {
            let mut best = vec![f32::NEG_INFINITY; c];
            let mut place = vec![0usize; c];
            for oy in 0..out_h {
                let line = image * out_h + oy;
                for (ox, dy) in dy.data()[line * dy.row()..][..dy.row()].chunks(c).enumerate() {
                    best.fill(f32::NEG_INFINITY);
                    self.each_tap(window, line, ox, |at, tap| {
                        for ((best, place), &v) in best.iter_mut().zip(&mut place).zip(tap) {
                            if v > *best {
                                (*best, *place) = (v, at);
                            }
                        }
                    });
                    for (channel, (&place, &g)) in place.iter().zip(dy).enumerate() {
                        if best[channel] > f32::NEG_INFINITY {
                            dx[place * c + channel] += g;
                        }
                    }
                }
            }
        });
        Self::new([self.n, self.h, self.w, c], dx)
    }

    pub fn global_mean(&self) -> Self {
        let (area, c) = (self.h * self.w, self.c);
        let scale = 1.0 / area as f32;
        let data = self.data().par_chunks((area * c).max(1)).flat_map_iter(|image| {
            let mut sum = vec![0.0f32; c];
            add_pixels(&mut sum, image);
            sum.into_iter().map(move |v| v * scale)
        });
        Self::new([self.n, 1, 1, c], data.collect())
    }

    /// The vjp of [`Self::global_mean`] for maps of `h` × `w`.
    pub fn spread_mean(&self, h: usize, w: usize) -> Self {
        let scale = 1.0 / (h * w) as f32;
        let data = self
            .data()
            .chunks(self.c)
            .flat_map(|pixel| {
                let pixel: Vec<f32> = pixel.iter().map(|v| v * scale).collect();
                std::iter::repeat_n(pixel, h * w).flatten()
            })
            .collect();
        Self::new([self.n, h, w, self.c], data)
    }

    /// Calls `visit(pixel within the image, its channels)` for every input pixel that an output pixel reads;
    /// `line` counts output rows through all images.
    #[inline(always)]
    fn each_tap(&self, window: &Window, line: usize, ox: usize, mut visit: impl FnMut(usize, &[f32])) {
        let (image, oy) = (line / window.y.output, line % window.y.output);
        for ky in 0..window.y.kernel {
            let Some(iy) = window.y.source(oy, ky) else { continue };
            for kx in 0..window.x.kernel {
                let Some(ix) = window.x.source(ox, kx) else { continue };
                let at = iy * self.w + ix;
                visit(at, &self.data()[(image * self.h * self.w + at) * self.c..][..self.c]);
            }
        }
    }
}

wide! {
    const FUSED;
    fn largest_of_line(y: &mut [f32], line: usize, x: &Nhwc, window: &Window) {
        for (ox, best) in y.chunks_mut(x.c).enumerate() {
            x.each_tap(window, line, ox, |_, tap| {
                for (best, &v) in best.iter_mut().zip(tap) {
                    // A NaN beats everything, as in PyTorch.
                    *best = if v > *best || v.is_nan() { v } else { *best };
                }
            });
        }
    }
}

wide! {
    const FUSED;
    fn add_pixels(sum: &mut [f32], image: &[f32]) {
        for pixel in image.chunks(sum.len()) {
            for (sum, v) in sum.iter_mut().zip(pixel) {
                *sum += v;
            }
        }
    }
}
