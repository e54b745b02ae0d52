//! Depthwise convolution, vectorised over channels.

use super::conv::Epilogue;
use super::nhwc::Nhwc;
use super::wide::{fused, wide};
use crate::kernels::geometry::Window;
use rayon::prelude::*;

/// `weights` is `[kH·kW, C]`; the same loop serves the forward pass and, with the kernel rotated, the gradient.
pub(super) fn apply(x: &Nhwc, weights: &[f32], after: &Epilogue, window: &Window, cap: Option<f32>) -> Nhwc {
    let (out_h, out_w, c) = (window.y.output, window.x.output, x.c);
    let mut y = vec![0.0; x.n * out_h * out_w * c];
    y.par_chunks_mut(out_w * c).enumerate().for_each(|(line, y)| one_line(y, line, x, weights, after, window, cap));
    Nhwc::new([x.n, out_h, out_w, c], y)
}

wide! {
    /// Row `line` of the output, counted through all images.
    const FUSED;
    fn one_line(
        y: &mut [f32],
        line: usize,
        x: &Nhwc,
        weights: &[f32],
        after: &Epilogue,
        window: &Window,
        cap: Option<f32>,
    ) {
        let c = x.c;
        let (image, oy) = (line / window.y.output, line % window.y.output);
        for (ox, pixel) in y.chunks_mut(c).enumerate() {
            for ky in 0..window.y.kernel {
                let Some(iy) = window.y.source(oy, ky) else { continue };
                let row = &x.data()[(image * x.h + iy) * x.row()..][..x.row()];
                for kx in 0..window.x.kernel {
                    let Some(ix) = window.x.source(ox, kx) else { continue };
                    let tap = &weights[(ky * window.x.kernel + kx) * c..][..c];
                    for ((sum, x), w) in pixel.iter_mut().zip(&row[ix * c..][..c]).zip(tap) {
                        *sum = fused::<FUSED>(*x, *w, *sum);
                    }
                }
            }
            after.apply(pixel, 0, cap);
        }
    }
}
