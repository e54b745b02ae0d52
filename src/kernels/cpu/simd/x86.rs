//! AVX2 and AVX-512.

// SAFETY, for every block here: the instruction is one that the level has, and there is a value of the level's type only
// after the processor has said that it knows it (`detect`); pointers are as the trait's callers promise.
#![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]

use super::vector::Simd;
use std::arch::x86_64::{
    __m256, __m256i, __m512, __mmask16, _CMP_EQ_OQ, _CMP_GT_OQ, _CMP_LT_OQ, _CMP_UNORD_Q, _MM_HINT_T0, _mm_prefetch,
    _mm256_add_ps, _mm256_and_ps, _mm256_blendv_ps, _mm256_cmp_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps,
    _mm256_or_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps,
    _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_cmp_ps_mask, _mm512_mask_mov_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
};

/// AVX2 and FMA: 8 floats.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels::cpu) struct Avx2(());

/// Ones, then zeros: reading from the middle gives the mask of the first n.
static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Avx2 {
    /// The level, if this processor has it.
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

/// The mask of the first `n` floats.
/// # Safety
/// `n` ≤ 8.
#[inline(always)]
unsafe fn first(_: Avx2, n: usize) -> __m256i {
    debug_assert!(n <= Avx2::LANES);
    unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - n).cast()) }
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const ROWS: usize = 6;
    type V = __m256;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, n: usize) -> Self::V {
        unsafe { _mm256_maskload_ps(from, first(self, n)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: Self::V, n: usize) {
        unsafe { _mm256_maskstore_ps(to, first(self, n), v) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    fn clamp(self, v: Self::V, low: Self::V, high: Self::V) -> Self::V {
        // Where one is NaN these give the second operand.
        unsafe { _mm256_min_ps(high, _mm256_max_ps(low, v)) }
    }
    #[inline(always)]
    fn positive(self, v: Self::V) -> Self::V {
        unsafe { _mm256_max_ps(v, _mm256_setzero_ps()) }
    }
    #[inline(always)]
    fn gate(self, g: Self::V, y: Self::V, cap: Self::V) -> Self::V {
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(y, _mm256_setzero_ps());
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(y, cap);
            _mm256_and_ps(g, _mm256_and_ps(above, below))
        }
    }
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    fn largest(self, best: Self::V, v: Self::V) -> Self::V {
        unsafe {
            let above = _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(v, best), _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            _mm256_blendv_ps(best, v, above)
        }
    }
    #[inline(always)]
    fn where_above(self, v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(v, limit)) }
    }
    #[inline(always)]
    fn where_equal(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) }
    }
}

/// AVX-512 F, BW, DQ and VL: 16 floats.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels::cpu) struct Avx512(());

impl Avx512 {
    /// The level, if this processor has it and what is below it.
    pub(super) fn detect() -> Option<Self> {
        let has = Avx2::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        has.then_some(Self(()))
    }
}

#[inline(always)]
fn mask(n: usize) -> __mmask16 {
    debug_assert!(n <= 16);
    ((1u32 << n) - 1) as __mmask16
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    const ROWS: usize = 12;
    type V = __m512;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, n: usize) -> Self::V {
        unsafe { _mm512_maskz_loadu_ps(mask(n), from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: Self::V, n: usize) {
        unsafe { _mm512_mask_storeu_ps(to, mask(n), v) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    fn clamp(self, v: Self::V, low: Self::V, high: Self::V) -> Self::V {
        // Where one is NaN these give the second operand.
        unsafe { _mm512_min_ps(high, _mm512_max_ps(low, v)) }
    }
    #[inline(always)]
    fn positive(self, v: Self::V) -> Self::V {
        unsafe { _mm512_max_ps(v, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn gate(self, g: Self::V, y: Self::V, cap: Self::V) -> Self::V {
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(y, _mm512_setzero_ps());
            let both = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(above, y, cap);
            _mm512_maskz_mov_ps(both, g)
        }
    }
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    fn largest(self, best: Self::V, v: Self::V) -> Self::V {
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, best) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            _mm512_mask_mov_ps(best, above, v)
        }
    }
    #[inline(always)]
    fn where_above(self, v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        unsafe { _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, limit), yes) }
    }
    #[inline(always)]
    fn where_equal(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        unsafe { _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), yes) }
    }
}
