//! One function, compiled for each vector width; which one runs is found out when it runs.

/// Defines `fn name(…)` whose body is compiled for AVX-512, for AVX2 with FMA, and for whatever every processor of the
/// target has. What the body calls has to be `#[inline(always)]`, or it stays narrow. `$fused` is a constant in the
/// body: whether `f32::mul_add` is one instruction.
macro_rules! wide {
    ($(#[$meta:meta])* const $fused:ident; fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::allow_attributes, clippy::too_many_arguments, reason = "a loop nest's own bounds")]
        pub(super) fn $name($($arg: $type),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn body<const $fused: bool>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as above")]
                fn avx512($($arg: $type),*) {
                    body::<true>($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as above")]
                fn avx2($($arg: $type),*) {
                    body::<true>($($arg),*);
                }
                let narrow = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if narrow
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: the processor has just said that it knows these instructions.
                    return unsafe { avx512($($arg),*) };
                }
                if narrow {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*);
        }
    };
}

pub(super) use wide;

/// sum + a·b, rounded once where that is one instruction.
#[inline(always)]
pub(super) fn fused<const FUSED: bool>(a: f32, b: f32, sum: f32) -> f32 {
    if FUSED { a.mul_add(b, sum) } else { sum + a * b }
}
