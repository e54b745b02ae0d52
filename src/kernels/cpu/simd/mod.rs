//! Vectors of the widths that processors have, and the choice between them when the program runs.

mod baseline;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use baseline::Baseline;
use std::sync::OnceLock;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Which vector instructions the kernels use: the proof that this processor has them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    Baseline(Baseline),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// The widest level of this processor; `GRADLENS_SIMD` = `baseline` or `avx2` holds it lower, to check one against another.
pub(super) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| widest(&std::env::var("GRADLENS_SIMD").unwrap_or_default()))
}

/// The widest level up to the one called `most`.
fn widest(most: &str) -> Level {
    #[cfg(target_arch = "x86_64")]
    if most != "baseline" {
        if most != "avx2"
            && let Some(level) = Avx512::detect()
        {
            return Level::Avx512(level);
        }
        if let Some(level) = Avx2::detect() {
            return Level::Avx2(level);
        }
    }
    Level::Baseline(Baseline)
}

/// Floats of a vector at this processor's level.
pub(super) fn lanes() -> usize {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(_) => Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(_) => Avx2::LANES,
        Level::Baseline(_) => Baseline::LANES,
    }
}

/// Vectors of `LANES` floats, and what can be done with them. A value of the type is the proof that the processor has the
/// instructions: only [`level`] hands them out. All methods are to be inlined into a function that carries the
/// instructions, which [`vectorised`] sees to.
pub(super) trait Simd: Copy {
    /// Floats in a vector.
    const LANES: usize;
    /// Rows of a matrix product's tile that leave registers for everything else.
    const ROWS: usize;
    /// A vector.
    type V: Copy;

    fn splat(self, value: f32) -> Self::V;
    /// # Safety
    /// `LANES` floats can be read at `from`.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// The first `n` < `LANES` floats at `from`, zeros behind them.
    /// # Safety
    /// `n` floats can be read at `from`.
    unsafe fn load_part(self, from: *const f32, n: usize) -> Self::V;
    /// # Safety
    /// `LANES` floats can be written at `to`.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// The first `n` < `LANES` floats of `v`.
    /// # Safety
    /// `n` floats can be written at `to`.
    unsafe fn store_part(self, to: *mut f32, v: Self::V, n: usize);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a·b + sum, rounded once where that is one instruction.
    fn fma(self, a: Self::V, b: Self::V, sum: Self::V) -> Self::V;
    /// clamp(v, low, high); NaN stays NaN, so that a broken forward pass is seen and not hidden.
    fn clamp(self, v: Self::V, low: Self::V, high: Self::V) -> Self::V;
    /// max(v, 0), 0 for NaN.
    fn positive(self, v: Self::V) -> Self::V;
    /// g where 0 < y < cap, 0 elsewhere.
    fn gate(self, g: Self::V, y: Self::V, cap: Self::V) -> Self::V;
    /// Asks for the cache line at `from`, which need not be readable.
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        let _ = from;
    }
    /// max(best, v), NaN if v is.
    fn largest(self, best: Self::V, v: Self::V) -> Self::V;
    /// `yes` where v > limit, `no` elsewhere.
    fn where_above(self, v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `yes` where a = b, `no` elsewhere.
    fn where_equal(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;

    /// A whole vector if `FULL`, else the first `n` < `LANES` floats.
    /// # Safety
    /// As many floats can be read at `from`.
    #[inline(always)]
    unsafe fn load_if<const FULL: bool>(self, from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if FULL { self.load(from) } else { self.load_part(from, n) } }
    }

    /// A whole vector if `FULL`, else the first `n` < `LANES` floats.
    /// # Safety
    /// As many floats can be written at `to`.
    #[inline(always)]
    unsafe fn store_if<const FULL: bool>(self, to: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { if FULL { self.store(to, v) } else { self.store_part(to, v, n) } }
    }

    /// `n` ≤ `LANES` floats.
    /// # Safety
    /// `n` floats can be read at `from`.
    #[inline(always)]
    unsafe fn load_up_to(self, from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { self.load(from) } else { self.load_part(from, n) } }
    }

    /// `n` ≤ `LANES` floats.
    /// # Safety
    /// `n` floats can be written at `to`.
    #[inline(always)]
    unsafe fn store_up_to(self, to: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { self.store(to, v) } else { self.store_part(to, v, n) } }
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

/// Defines `fn name(…)` once for each level of `fn name<S>(s: S, …)`: it runs the widest that this processor has. What the
/// body calls has to be `#[inline(always)]`, or it stays narrow; closures cannot be, and stay out of inner loops.
macro_rules! vectorised {
    (
        $(#[$meta:meta])*
        fn $name:ident<$simd:ident>($token:ident: $_simd:ident, $($arg:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $(#[$meta])*
        #[allow(clippy::allow_attributes, clippy::too_many_arguments, reason = "a loop nest's own bounds")]
        fn $name($($arg: $type),*) {
            use $crate::kernels::cpu::simd::{Level, Simd, level};

            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn body<$simd: Simd>($token: $simd, $($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn avx512(token: $crate::kernels::cpu::simd::Avx512, $($arg: $type),*) {
                body(token, $($arg),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn avx2(token: $crate::kernels::cpu::simd::Avx2, $($arg: $type),*) {
                body(token, $($arg),*);
            }
            match level() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: there is such a value only where the processor knows these instructions.
                Level::Avx512(token) => unsafe { avx512(token, $($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Level::Avx2(token) => unsafe { avx2(token, $($arg),*) },
                Level::Baseline(token) => body(token, $($arg),*),
            }
        }
    };
}

pub(super) use vectorised;
