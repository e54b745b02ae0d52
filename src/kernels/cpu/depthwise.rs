//! Depthwise convolution, vectorised over channels.

use super::elementwise::clamp;
use super::nhwc::Nhwc;
use crate::kernels::geometry::Window;
use rayon::prelude::*;

/// `weights` is `[kH·kW, C]`; the same loop serves the forward pass and, with the kernel rotated, the gradient.
pub(super) fn apply(x: &Nhwc, weights: &[f32], bias: Option<&[f32]>, window: &Window, cap: Option<f32>) -> Nhwc {
    let (out_h, out_w, c) = (window.y.output, window.x.output, x.c);
    let mut y = vec![0.0; x.n * out_h * out_w * c];
    y.par_chunks_mut(out_w * c).enumerate().for_each(|(line, y)| {
        pulp::Arch::new().dispatch(|| {
            let (image, oy) = (line / out_h, line % out_h);
            for (ox, pixel) in y.chunks_mut(c).enumerate() {
                if let Some(bias) = bias {
                    pixel.copy_from_slice(bias);
                }
                for ky in 0..window.y.kernel {
                    let Some(iy) = window.y.source(oy, ky) else { continue };
                    let row = &x.data()[(image * x.h + iy) * x.row()..][..x.row()];
                    for kx in 0..window.x.kernel {
                        let Some(ix) = window.x.source(ox, kx) else { continue };
                        let tap = &weights[(ky * window.x.kernel + kx) * c..][..c];
                        accumulate(pixel, &row[ix * c..][..c], tap);
                    }
                }
                if let Some(cap) = cap {
                    clamp(pixel, cap);
                }
            }
        });
    });
    Nhwc::new([x.n, out_h, out_w, c], y)
}

#[inline(always)]
fn accumulate(sum: &mut [f32], x: &[f32], w: &[f32]) {
    for ((sum, x), w) in sum.iter_mut().zip(x).zip(w) {
        *sum += x * w;
    }
}
