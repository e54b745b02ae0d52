//! Vectors of the widths that processors have, and the choice between them when the program runs.

mod baseline;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use baseline::Baseline;
use std::sync::OnceLock;
pub(super) use vector::Simd;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Which vector instructions the kernels use: the proof that this processor has them.
#[derive(Debug, Clone, Copy)]
pub(super) enum InstructionSet {
    Baseline(Baseline),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// The widest level of this processor; `GRADLENS_SIMD` = `baseline` or `avx2` holds it lower, to check one against another.
pub(super) fn level() -> InstructionSet {
    static LEVEL: OnceLock<InstructionSet> = OnceLock::new();
    *LEVEL.get_or_init(|| widest(&std::env::var("GRADLENS_SIMD").unwrap_or_default()))
}

/// The widest level up to the one called `most`.
fn widest(most: &str) -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    if most != "baseline" {
        if most != "avx2"
            && let Some(level) = Avx512::detect()
        {
            return InstructionSet::Avx512(level);
        }
        if let Some(level) = Avx2::detect() {
            return InstructionSet::Avx2(level);
        }
    }
    InstructionSet::Baseline(Baseline)
}

/// Floats of a vector at this processor's level.
pub(super) fn lanes() -> usize {
    match level() {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512(_) => Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2(_) => Avx2::LANES,
        InstructionSet::Baseline(_) => Baseline::LANES,
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
            use $crate::kernels::cpu::simd::{InstructionSet, Simd, level};

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
                InstructionSet::Avx512(token) => unsafe { avx512(token, $($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                InstructionSet::Avx2(token) => unsafe { avx2(token, $($arg),*) },
                InstructionSet::Baseline(token) => body(token, $($arg),*),
            }
        }
    };
}

pub(super) use vectorised;
