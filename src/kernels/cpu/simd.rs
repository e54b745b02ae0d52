//! Vectors of the widths that processors have, and the choice between them when the program runs.

use std::sync::OnceLock;

/// Which vector instructions the kernels use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// What every processor of the target has: SSE2 on x86-64, NEON on Arm.
    Baseline,
    /// AVX2 and FMA: 8 floats.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512: 16 floats.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The widest level of this processor; `GRADLENS_SIMD` = `baseline` or `avx2` holds it lower, to check one against another.
pub(super) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let wanted = std::env::var("GRADLENS_SIMD").unwrap_or_default();
        let found = found();
        #[cfg(target_arch = "x86_64")]
        if wanted == "avx2" {
            return found.min(Level::Avx2);
        }
        if wanted == "baseline" { Level::Baseline } else { found }
    })
}

#[cfg(target_arch = "x86_64")]
fn found() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn found() -> Level {
    Level::Baseline
}

/// Vectors of `LANES` floats. All methods are to be inlined into a function that carries the instructions, which
/// [`vectorised`] sees to.
pub(super) trait Simd: Copy {
    /// Floats in a vector.
    const LANES: usize;
    /// Rows of a matrix product's tile that leave registers for everything else.
    const ROWS: usize;
    /// A vector.
    type V: Copy;

    fn splat(value: f32) -> Self::V;
    /// # Safety
    /// `LANES` floats can be read at `from`.
    unsafe fn load(from: *const f32) -> Self::V;
    /// The first `n` < `LANES` floats at `from`, zeros behind them.
    /// # Safety
    /// `n` floats can be read at `from`.
    unsafe fn load_part(from: *const f32, n: usize) -> Self::V;
    /// # Safety
    /// `LANES` floats can be written at `to`.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// The first `n` < `LANES` floats of `v`.
    /// # Safety
    /// `n` floats can be written at `to`.
    unsafe fn store_part(to: *mut f32, v: Self::V, n: usize);
    fn add(a: Self::V, b: Self::V) -> Self::V;
    fn sub(a: Self::V, b: Self::V) -> Self::V;
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// a·b + sum, rounded once where that is one instruction.
    fn fma(a: Self::V, b: Self::V, sum: Self::V) -> Self::V;
    /// clamp(v, low, high); NaN stays NaN, so that a broken forward pass is seen and not hidden.
    fn clamp(v: Self::V, low: Self::V, high: Self::V) -> Self::V;
    /// max(v, 0), 0 for NaN.
    fn positive(v: Self::V) -> Self::V;
    /// g where 0 < y < cap, 0 elsewhere.
    fn gate(g: Self::V, y: Self::V, cap: Self::V) -> Self::V;
    /// Asks for the cache line at `from`, which need not be readable.
    #[inline(always)]
    fn prefetch(from: *const f32) {
        let _ = from;
    }
    /// max(best, v), NaN if v is.
    fn largest(best: Self::V, v: Self::V) -> Self::V;
    /// `yes` where v > limit, `no` elsewhere.
    fn where_above(v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `yes` where a = b, `no` elsewhere.
    fn where_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;

    /// A whole vector if `FULL`, else the first `n` < `LANES` floats.
    /// # Safety
    /// As many floats can be read at `from`.
    #[inline(always)]
    unsafe fn load_if<const FULL: bool>(from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if FULL { Self::load(from) } else { Self::load_part(from, n) } }
    }

    /// A whole vector if `FULL`, else the first `n` < `LANES` floats.
    /// # Safety
    /// As many floats can be written at `to`.
    #[inline(always)]
    unsafe fn store_if<const FULL: bool>(to: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { if FULL { Self::store(to, v) } else { Self::store_part(to, v, n) } }
    }

    /// `n` ≤ `LANES` floats.
    /// # Safety
    /// `n` floats can be read at `from`.
    #[inline(always)]
    unsafe fn load_up_to(from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { Self::load(from) } else { Self::load_part(from, n) } }
    }

    /// `n` ≤ `LANES` floats.
    /// # Safety
    /// `n` floats can be written at `to`.
    #[inline(always)]
    unsafe fn store_up_to(to: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { Self::store(to, v) } else { Self::store_part(to, v, n) } }
    }
}

/// Where `n` floats lie in `values`. The feature `checked` looks whether they do.
///
/// # Safety
/// `at + n` ≤ len.
#[inline(always)]
pub(super) unsafe fn place(values: &[f32], at: usize, n: usize) -> *const f32 {
    if cfg!(feature = "checked") {
        assert!(at + n <= values.len(), "{n} floats at {at} of {}", values.len());
    }
    // SAFETY: the caller's promise.
    unsafe { values.as_ptr().add(at) }
}

/// What every processor of the target has; the compiler turns the loops into its vectors.
#[derive(Clone, Copy)]
pub(super) struct Baseline;

impl Simd for Baseline {
    const LANES: usize = 4;
    const ROWS: usize = 6;
    type V = [f32; 4];

    #[inline(always)]
    fn splat(value: f32) -> Self::V {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's promise; unaligned reads are allowed.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> Self::V {
        // SAFETY: only the first n are read.
        std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise; unaligned writes are allowed.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: Self::V, n: usize) {
        for (i, v) in v.into_iter().enumerate().take(n) {
            // SAFETY: only the first n are written.
            unsafe { *to.add(i) = v }
        }
    }
    #[inline(always)]
    fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn fma(a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
        let fused = cfg!(target_arch = "aarch64");
        std::array::from_fn(|i| if fused { a[i].mul_add(b[i], sum[i]) } else { sum[i] + a[i] * b[i] })
    }
    #[inline(always)]
    fn clamp(v: Self::V, low: Self::V, high: Self::V) -> Self::V {
        std::array::from_fn(|i| {
            let v = if v[i] < low[i] { low[i] } else { v[i] };
            if v > high[i] { high[i] } else { v }
        })
    }
    #[inline(always)]
    fn positive(v: Self::V) -> Self::V {
        v.map(|v| if v > 0.0 { v } else { 0.0 })
    }
    #[inline(always)]
    fn gate(g: Self::V, y: Self::V, cap: Self::V) -> Self::V {
        std::array::from_fn(|i| if y[i] > 0.0 && y[i] < cap[i] { g[i] } else { 0.0 })
    }
    #[inline(always)]
    fn largest(best: Self::V, v: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] > best[i] || v[i].is_nan() { v[i] } else { best[i] })
    }
    #[inline(always)]
    fn where_above(v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] > limit[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn where_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        #[expect(clippy::float_cmp, reason = "the largest of a window is one of its values, to the bit")]
        std::array::from_fn(|i| if a[i] == b[i] { yes[i] } else { no[i] })
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    // SAFETY, for every block here: the instruction is one that the level has, and only `vectorised` names the level,
    // after the processor has said that it knows it; pointers are as the trait's callers promise.
    #![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]

    use super::Simd;
    use std::arch::x86_64::{
        __m256, __m256i, __m512, __mmask16, _CMP_EQ_OQ, _CMP_GT_OQ, _CMP_LT_OQ, _CMP_UNORD_Q, _MM_HINT_T0,
        _mm_prefetch, _mm256_add_ps, _mm256_and_ps, _mm256_blendv_ps, _mm256_cmp_ps, _mm256_fmadd_ps,
        _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_max_ps, _mm256_min_ps,
        _mm256_mul_ps, _mm256_or_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps,
        _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_cmp_ps_mask,
        _mm512_mask_mov_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_maskz_mov_ps, _mm512_max_ps,
        _mm512_min_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
    };

    /// AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2;

    /// Ones, then zeros: reading from the middle gives the mask of the first n.
    static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[inline(always)]
    fn first(n: usize) -> __m256i {
        debug_assert!(n <= 8);
        unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - n).cast()) }
    }

    impl Simd for Avx2 {
        const LANES: usize = 8;
        const ROWS: usize = 6;
        type V = __m256;

        #[inline(always)]
        fn splat(value: f32) -> Self::V {
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn load_part(from: *const f32, n: usize) -> Self::V {
            unsafe { _mm256_maskload_ps(from, first(n)) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm256_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn store_part(to: *mut f32, v: Self::V, n: usize) {
            unsafe { _mm256_maskstore_ps(to, first(n), v) }
        }
        #[inline(always)]
        fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        fn fma(a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
            unsafe { _mm256_fmadd_ps(a, b, sum) }
        }
        #[inline(always)]
        fn clamp(v: Self::V, low: Self::V, high: Self::V) -> Self::V {
            // Where one is NaN these give the second operand.
            unsafe { _mm256_min_ps(high, _mm256_max_ps(low, v)) }
        }
        #[inline(always)]
        fn positive(v: Self::V) -> Self::V {
            unsafe { _mm256_max_ps(v, _mm256_setzero_ps()) }
        }
        #[inline(always)]
        fn gate(g: Self::V, y: Self::V, cap: Self::V) -> Self::V {
            unsafe {
                let above = _mm256_cmp_ps::<_CMP_GT_OQ>(y, _mm256_setzero_ps());
                let below = _mm256_cmp_ps::<_CMP_LT_OQ>(y, cap);
                _mm256_and_ps(g, _mm256_and_ps(above, below))
            }
        }
        #[inline(always)]
        fn prefetch(from: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }
        #[inline(always)]
        fn largest(best: Self::V, v: Self::V) -> Self::V {
            unsafe {
                let above = _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(v, best), _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
                _mm256_blendv_ps(best, v, above)
            }
        }
        #[inline(always)]
        fn where_above(v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V {
            unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(v, limit)) }
        }
        #[inline(always)]
        fn where_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
            unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) }
        }
    }

    /// AVX-512 F, BW, DQ and VL.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512;

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
        fn splat(value: f32) -> Self::V {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn load_part(from: *const f32, n: usize) -> Self::V {
            unsafe { _mm512_maskz_loadu_ps(mask(n), from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm512_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn store_part(to: *mut f32, v: Self::V, n: usize) {
            unsafe { _mm512_mask_storeu_ps(to, mask(n), v) }
        }
        #[inline(always)]
        fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        fn fma(a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
            unsafe { _mm512_fmadd_ps(a, b, sum) }
        }
        #[inline(always)]
        fn clamp(v: Self::V, low: Self::V, high: Self::V) -> Self::V {
            // Where one is NaN these give the second operand.
            unsafe { _mm512_min_ps(high, _mm512_max_ps(low, v)) }
        }
        #[inline(always)]
        fn positive(v: Self::V) -> Self::V {
            unsafe { _mm512_max_ps(v, _mm512_setzero_ps()) }
        }
        #[inline(always)]
        fn gate(g: Self::V, y: Self::V, cap: Self::V) -> Self::V {
            unsafe {
                let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(y, _mm512_setzero_ps());
                let both = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(above, y, cap);
                _mm512_maskz_mov_ps(both, g)
            }
        }
        #[inline(always)]
        fn prefetch(from: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }
        #[inline(always)]
        fn largest(best: Self::V, v: Self::V) -> Self::V {
            unsafe {
                let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, best) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
                _mm512_mask_mov_ps(best, above, v)
            }
        }
        #[inline(always)]
        fn where_above(v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V {
            unsafe { _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, limit), yes) }
        }
        #[inline(always)]
        fn where_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
            unsafe { _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), yes) }
        }
    }
}

/// Defines `fn name<S>(…)` once for each level. `name(…)` runs the widest that this processor has. What the body
/// calls has to be `#[inline(always)]`, or it stays narrow; closures cannot be, and stay out of inner loops.
macro_rules! vectorised {
    ($(#[$meta:meta])* fn $name:ident<$simd:ident>($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::allow_attributes, clippy::too_many_arguments, reason = "a loop nest's own bounds")]
        fn $name($($arg: $type),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn body<$simd: $crate::kernels::cpu::simd::Simd>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::cpu::simd::{Avx2, Avx512, Level, level};
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as above")]
                fn avx512($($arg: $type),*) {
                    body::<Avx512>($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as above")]
                fn avx2($($arg: $type),*) {
                    body::<Avx2>($($arg),*);
                }
                match level() {
                    // SAFETY: the processor has said that it knows these instructions.
                    Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Level::Avx2 => return unsafe { avx2($($arg),*) },
                    Level::Baseline => {}
                }
            }
            body::<$crate::kernels::cpu::simd::Baseline>($($arg),*);
        }
    };
}

pub(super) use vectorised;
