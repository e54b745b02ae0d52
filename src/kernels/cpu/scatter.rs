//! The gradient of a strided convolution: every ∂y is multiplied by the whole kernel, and the products are added where
//! they belong. Gathering would multiply the zeros between the pixels of ∂y too.

use super::buffer::Buffer;
use super::ending::{Ending, Tile};
use super::gemm::{Output, Panels, Product};
use super::nhwc::Nhwc;
use super::simd::{place, vectorised};
use crate::kernels::geometry::Window;
use rayon::prelude::*;

/// `weights` are kH matrices `[I, kW·O]` of the rotated kernel as `window` reads it, its columns from the last to the first:
/// what a pixel gives to its neighbours then lies as they do.
pub(super) fn apply(x: &Nhwc, weights: &Panels, ending: Ending<'_>, window: &Window) -> Nhwc {
    assert!(window.y.stride == 1 && window.x.stride == 1, "a window spreads or strides, not both");
    assert!(ending.affine.is_none(), "a gradient has no scale and bias of its own");
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
            Product {
                a,
                lda: x.c,
                rows: x.w,
                lines: [1, 0],
                weights,
                matrix: ky,
                columns,
                at: 0,
                ldc: columns[1],
                ending,
            }
            .run(into);
            add(&mut sums, &products, x.w, o, window);
        }
        end(&sums, to, line * out_w * o, &ending);
    });
    Nhwc::new([x.n, out_h, out_w, o], y)
}

vectorised! {
    /// Adds what each pixel of a line of ∂y gives to its neighbours.
    fn add<S>(sums: &mut [f32], products: &[f32], pixels: usize, o: usize, window: &Window) {
        let a = &window.x;
        let width = a.kernel * o;
        // Pixels whose windows overlap do not follow each other: what one has just stored the next would have to wait for.
        let apart = a.kernel.div_ceil(a.spread);
        for first in 0..apart {
            for ix in (first..pixels).step_by(apart) {
                let start = (ix * a.spread).cast_signed() + a.pad - (a.kernel - 1).cast_signed();
                let from = start.min(0).unsigned_abs().min(a.kernel);
                let to = (a.output.cast_signed() - start).clamp(from.cast_signed(), a.kernel.cast_signed()).cast_unsigned();
                let length = (to - from) * o;
                let given = &products[ix * width + from * o..][..length];
                let sums = &mut sums[(start + from.cast_signed()).max(0).cast_unsigned() * o..][..length];
                for at in (0..length).step_by(S::LANES) {
                    let n = (length - at).min(S::LANES);
                    // SAFETY: both slices have `length` floats.
                    unsafe {
                        let sum = sums.as_mut_ptr().add(at);
                        let v = S::add(S::load_up_to(sum, n), S::load_up_to(place(given, at, n), n));
                        S::store_up_to(sum, v, n);
                    }
                }
            }
        }
    }
}

vectorised! {
    fn end<S>(sums: &[f32], to: Output, start: usize, ending: &Ending<'_>) {
        for from in (0..sums.len()).step_by(S::LANES) {
            let (n, at) = ((sums.len() - from).min(S::LANES), start + from);
            // SAFETY: the line lies in the output, which `apply` has checked the ending against.
            unsafe {
                let v = S::load_up_to(place(sums, from, n), n);
                ending.write::<S, 1, 1>([[v]], to, Tile::one(0, at, n));
            }
        }
    }
}
