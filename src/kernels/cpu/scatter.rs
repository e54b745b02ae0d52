//! The gradient of a strided convolution: every ∂y is multiplied by the whole kernel, and the products are added where
//! they belong. Gathering would multiply the zeros between the pixels of ∂y too.

use super::buffer::Buffer;
use super::ending::Ending;
use super::gemm::{Output, Panels, Product};
use super::nhwc::Nhwc;
use super::simd::vectorised;
use crate::kernels::geometry::Window;
use rayon::prelude::*;

/// `weights` are kH matrices `[I, kW·O]`, of the rotated kernel as `window` reads it.
pub(super) fn apply(x: &Nhwc, weights: &Panels, ending: Ending<'_>, window: &Window) -> Nhwc {
    assert!(window.y.stride == 1 && window.x.stride == 1, "a window spreads or strides, not both");
    let o = weights.columns() / window.x.kernel;
    let (out_h, out_w) = (window.y.output, window.x.output);
    let mut y = Buffer::any(x.n * out_h * out_w * o);
    ending.check(y.len(), o);
    // SAFETY: each line is one task's.
    let to = unsafe { Output::new(&mut y) };
    (0..x.n * out_h).into_par_iter().for_each(|line| {
        let mut products = Buffer::any(x.w * weights.columns());
        let mut sums = Buffer::zeros(out_w * o);
        let (image, oy) = (line / out_h, line % out_h);
        for ky in 0..window.y.kernel {
            let Some(iy) = window.y.source(oy, ky) else { continue };
            let a = &x.data()[(image * x.h + iy) * x.row()..][..x.row()];
            let columns = [0, weights.columns()];
            // SAFETY: the buffer is this task's.
            let into = unsafe { Output::new(&mut products) };
            let ending = Ending::default();
            Product { a, lda: x.c, rows: x.w, weights, matrix: ky, columns, at: 0, ldc: columns[1], ending }.run(into);
            add(&mut sums, &products, x.w, o, window);
        }
        end(&sums, to, line * out_w * o, o, &ending);
    });
    Nhwc::new([x.n, out_h, out_w, o], y)
}

vectorised! {
    /// Adds what each pixel of a line of ∂y gives to each tap.
    fn add<S>(sums: &mut [f32], products: &[f32], pixels: usize, o: usize, window: &Window) {
        let a = &window.x;
        for kx in 0..a.kernel {
            for ix in 0..pixels {
                let ox = (ix * a.spread).cast_signed() + a.pad - kx.cast_signed();
                if ox < 0 || ox >= a.output.cast_signed() {
                    continue;
                }
                let (to, from) = (ox.cast_unsigned() * o, (ix * a.kernel + kx) * o);
                for (sum, v) in sums[to..to + o].iter_mut().zip(&products[from..from + o]) {
                    *sum += v;
                }
            }
        }
    }
}

vectorised! {
    fn end<S>(sums: &[f32], to: Output, start: usize, o: usize, ending: &Ending<'_>) {
        for (pixel, sums) in sums.chunks(o).enumerate() {
            for channel in (0..o).step_by(S::LANES) {
                let n = (o - channel).min(S::LANES);
                let at = start + pixel * o + channel;
                // SAFETY: the line lies in the output, which `apply` has checked the ending against.
                unsafe {
                    let v = S::load_up_to(sums.as_ptr().add(channel), n);
                    S::store_up_to(to.at(at), ending.apply::<S>(v, channel, at, n), n);
                }
            }
        }
    }
}
