//! The one door to the `gemm` crate.

/// `dst[p, o] = Σ_k rows[p, k] · weights[k, o]` for row-major matrices: `p` rows of `rows` and `dst`, `weights`
/// with `ld` floats between its rows of `o` columns. One thread; whoever calls it cuts the work into blocks.
///
/// # Panics
/// If a slice is shorter than its matrix.
pub(super) fn rows_times_weights(dst: &mut [f32], rows: &[f32], weights: &[f32], [p, k, o]: [usize; 3], ld: usize) {
    if p == 0 || o == 0 {
        return;
    }
    assert!(dst.len() >= p * o, "dst is too short");
    assert!(rows.len() >= p * k, "rows is too short");
    assert!(ld >= o && weights.len() >= k.saturating_sub(1) * ld + o, "weights is too short");
    let (o_stride, k_stride, ld_stride) = (o.cast_signed(), k.cast_signed(), ld.cast_signed());
    // Asked for the transposed product, gemm finds the weights contiguous along its first axis and does not pack
    // them for every block.
    // SAFETY: the three matrices lie inside their slices (asserted above), `dst` is borrowed mutably and so does
    // not overlap the others, and gemm neither reads `dst` (read_dst is false) nor keeps a pointer.
    unsafe {
        gemm::gemm(
            o,
            p,
            k,
            dst.as_mut_ptr(),
            o_stride,
            1,
            false,
            weights.as_ptr(),
            ld_stride,
            1,
            rows.as_ptr(),
            k_stride,
            1,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
