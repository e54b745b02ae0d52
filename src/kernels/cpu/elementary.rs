//! Elementary functions without branches, so that loops over them become vectors.
//!
//! Everything is computed in float64 with a relative error below 3·10⁻⁹: rounded to float32 once, a result is one of the
//! two neighbours of the true value, and the same bits on every processor, which the system's library does not promise.

/// Added to a small number and taken away again it leaves an integer; the lowest bits of the sum are that integer.
const SHIFT: f64 = 6_755_399_441_055_744.0;
/// The bits of 2⁵²; with an integer below 2⁵² in their place, the lowest ones are that integer's value.
const TWO_52: u64 = 0x4330_0000_0000_0000;
/// The bits of √½ and of 1.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const ONE: u64 = 0x3ff0_0000_0000_0000;

/// eˣ = scale · (1 + rest), where scale is a power of two.
#[inline(always)]
fn parts(x: f64) -> (f64, f64) {
    let x = if x < -708.0 { -708.0 } else { x };
    let x = if x > 709.0 { 709.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + SHIFT;
    let r = x - (shifted - SHIFT) * std::f64::consts::LN_2;
    let scale = f64::from_bits((shifted.to_bits() << 52).wrapping_add(ONE));
    // Taylor's series: |r| ≤ ln 2 / 2.
    let tail = 1.0 / 720.0 + r * (1.0 / 5040.0 + r * (1.0 / 40320.0));
    let tail = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * tail));
    (scale, r * (1.0 + r * (0.5 + r * tail)))
}

/// eˣ.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let (scale, rest) = parts(x);
    scale + scale * rest
}

/// eˣ − 1, precise near 0.
#[inline(always)]
pub(super) fn exp_m1(x: f64) -> f64 {
    let (scale, rest) = parts(x);
    scale * rest + (scale - 1.0)
}

/// ln x of a positive, normal number.
#[inline(always)]
fn ln_of_positive(x: f64) -> f64 {
    let bits = x.to_bits().wrapping_add(ONE - ROOT_HALF);
    let exponent = f64::from_bits(bits >> 52 | TWO_52) - (f64::from_bits(TWO_52) + 1023.0);
    let m = f64::from_bits((bits & ((1 << 52) - 1)) + ROOT_HALF);
    // ln m = 2 artanh s, |s| ≤ 0.172.
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let tail = 1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t * (1.0 / 13.0)));
    exponent * std::f64::consts::LN_2 + 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (0.2 + t * tail)))
}

/// ln x of a number that a float32 can be.
#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    let y = ln_of_positive(x);
    let y = if x < f64::INFINITY { y } else { x };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 { f64::NAN } else { y }
}

/// ln(1 + t) for 0 ≤ t ≤ 1, with what the sum has lost of t.
#[inline(always)]
fn ln_1p(t: f64) -> f64 {
    let u = 1.0 + t;
    ln_of_positive(u) + (t - (u - 1.0)) / u
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// The derivative of [`sigmoid`].
#[inline(always)]
pub(super) fn sigmoid_slope(x: f64) -> f64 {
    let e = exp(-x.abs());
    e / ((1.0 + e) * (1.0 + e))
}

#[inline(always)]
pub(super) fn tanh(x: f64) -> f64 {
    let t = exp_m1(-2.0 * x.abs());
    (-t / (t + 2.0)).copysign(x)
}

/// ln(1 + eˣ).
#[inline(always)]
pub(super) fn softplus(x: f64) -> f64 {
    let above = if x < 0.0 { 0.0 } else { x };
    above + ln_1p(exp(-x.abs()))
}

/// 2/√π ∫₀ˣ e^(−t²) dt: a quotient of polynomials in x², fitted for the least relative error (2.8·10⁻⁹) on |x| ≤ 4,
/// from where on a float32 is ±1.
#[inline(always)]
pub(super) fn erf(x: f64) -> f64 {
    let t = x * x;
    let above = 4.222_752_203_181_149e-3 + t * (4.104_002_339_694_885e-4 + t * 6.759_190_058_895_652e-6);
    let above = 0.192_848_532_707_086_18 + t * (5.572_720_625_585_939e-2 + t * above);
    let above = 1.128_379_169_981_866 + t * above;
    let below = 1.419_293_899_662_206e-3 + t * (7.232_898_930_362_553e-5 + t * 2.587_176_714_994_228_5e-7);
    let below = 0.117_466_648_995_872_46 + t * (1.628_489_911_942_541e-2 + t * below);
    let below = 1.0 + t * (0.504_240_993_483_304_3 + t * below);
    if x.abs() > 4.0 { 1f64.copysign(x) } else { x * above / below }
}

/// The distribution function of the standard normal distribution.
#[inline(always)]
pub(super) fn normal_cdf(x: f64) -> f64 {
    0.5 + 0.5 * erf(x * std::f64::consts::FRAC_1_SQRT_2)
}

/// The density of the standard normal distribution.
#[inline(always)]
pub(super) fn normal_density(x: f64) -> f64 {
    const FACTOR: f64 = 0.398_942_280_401_432_7;
    FACTOR * exp(-0.5 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same float32, or within a tenth of its last place before rounding; over all exponents and signs.
    fn holds(name: &str, of: fn(f64) -> f64, expected: fn(f64) -> f64, range: std::ops::RangeInclusive<f32>) {
        for bits in (0..=u32::MAX).step_by(9973) {
            let x = f32::from_bits(bits);
            if !range.contains(&x) {
                continue;
            }
            let (y, e) = (of(f64::from(x)), expected(f64::from(x)));
            let (rounded, ulp) = (e as f32, f64::from((e as f32).abs().next_up()) - f64::from((e as f32).abs()));
            assert!(
                (y as f32).to_bits() == rounded.to_bits() || (y - e).abs() <= 0.1 * ulp,
                "{name}({x}): {y} for {e}"
            );
        }
    }

    #[test]
    fn functions_are_those_of_the_library() {
        let all = f32::NEG_INFINITY..=f32::INFINITY;
        holds("exp", exp, f64::exp, all.clone());
        holds("exp_m1", exp_m1, f64::exp_m1, all.clone());
        holds("ln", ln, f64::ln, 0.0..=f32::INFINITY);
        holds("tanh", tanh, f64::tanh, all.clone());
        holds("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp()), all.clone());
        holds("softplus", softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), all);
        assert!(ln(-1.0).is_nan() && ln(0.0) == f64::NEG_INFINITY);
        for function in [exp, exp_m1, ln, tanh, sigmoid, sigmoid_slope, softplus, erf, normal_cdf, normal_density] {
            assert!(function(f64::NAN).is_nan(), "NaN stays NaN");
        }
    }

    #[test]
    fn erf_is_that_of_its_tables() {
        // Python's math.erf.
        let table = [
            (1e-10, 1.128_379_167_095_512_6e-10),
            (0.25, 0.276_326_390_168_236_93),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (1.5, 0.966_105_146_475_310_8),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
            (3.9, 0.999_999_965_207_751_4),
            (4.5, 1.0),
        ];
        for (x, expected) in table {
            assert!((erf(x) - expected).abs() < 3e-9 * expected, "erf({x})");
            assert!((erf(-x) + expected).abs() < 3e-9 * expected, "erf(−{x})");
        }
        assert_eq!([f64::INFINITY, f64::NEG_INFINITY].map(|x| erf(x).to_bits()), [1f64, -1.0].map(f64::to_bits));
    }
}
