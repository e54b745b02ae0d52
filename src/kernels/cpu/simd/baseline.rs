//! Vectors that the compiler makes of short arrays.

use super::vector::Simd;

/// What every processor of the target has: SSE2 on x86-64, NEON on Arm.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels::cpu) struct Baseline;

impl Simd for Baseline {
    const LANES: usize = 4;
    const ROWS: usize = 6;
    type V = [f32; 4];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller's promise; unaligned reads are allowed.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, n: usize) -> Self::V {
        // SAFETY: only the first n are read.
        std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise; unaligned writes are allowed.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: Self::V, n: usize) {
        for (i, v) in v.into_iter().enumerate().take(n) {
            // SAFETY: only the first n are written.
            unsafe { *to.add(i) = v }
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
        let fused = cfg!(target_arch = "aarch64");
        std::array::from_fn(|i| if fused { a[i].mul_add(b[i], sum[i]) } else { sum[i] + a[i] * b[i] })
    }
    #[inline(always)]
    fn clamp(self, v: Self::V, low: Self::V, high: Self::V) -> Self::V {
        std::array::from_fn(|i| {
            let v = if v[i] < low[i] { low[i] } else { v[i] };
            if v > high[i] { high[i] } else { v }
        })
    }
    #[inline(always)]
    fn positive(self, v: Self::V) -> Self::V {
        v.map(|v| if v > 0.0 { v } else { 0.0 })
    }
    #[inline(always)]
    fn gate(self, g: Self::V, y: Self::V, cap: Self::V) -> Self::V {
        std::array::from_fn(|i| if y[i] > 0.0 && y[i] < cap[i] { g[i] } else { 0.0 })
    }
    #[inline(always)]
    fn largest(self, best: Self::V, v: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] > best[i] || v[i].is_nan() { v[i] } else { best[i] })
    }
    #[inline(always)]
    fn where_above(self, v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] > limit[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn where_equal(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        #[expect(clippy::float_cmp, reason = "the largest of a window is one of its values, to the bit")]
        std::array::from_fn(|i| if a[i] == b[i] { yes[i] } else { no[i] })
    }
}
