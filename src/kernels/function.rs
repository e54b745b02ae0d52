//! Which functions of one variable there are; `apply.rs` and `cpu/function.rs` have their formulas.

/// A function y = f(x) of every value. Where f has a kink its derivative is PyTorch's; what each says about that stands
/// beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// σ(x) = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// clamp(αx + β, 0, 1); derivative 0 at both bounds.
    HardSigmoid {
        /// Slope between the bounds (PyTorch 1/6, ONNX 0.2).
        alpha: f32,
        /// Value at 0 (0.5).
        beta: f32,
    },
    /// x · clamp(x + 3, 0, 6) / 6; derivative 0 at −3, 1 at 3.
    HardSwish,
    /// x σ(βx): the sigmoid linear unit, swish (Ramachandran et al. 2017).
    Silu {
        /// 1 for the SiLU, 1.702 for the quick approximation of a GELU.
        beta: f32,
    },
    /// x Φ(x) with the distribution function of the standard normal distribution (Hendrycks & Gimpel 2016).
    Gelu,
    /// Its approximation x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).
    GeluTanh,
    /// x where x > 0, αx elsewhere; derivative α at 0.
    LeakyRelu {
        /// Slope of the negative side.
        alpha: f32,
    },
    /// x where x > 0, α (eˣ − 1) elsewhere; derivative α at 0.
    Elu {
        /// Minus the limit at −∞.
        alpha: f32,
    },
    /// γ times an [`Function::Elu`] (Klambauer et al. 2017); derivative γα at 0.
    Selu {
        /// Minus the limit at −∞, divided by γ (1.673 263 2).
        alpha: f32,
        /// Slope of the positive side (1.050 701).
        gamma: f32,
    },
    /// x where x > 0, α (e^(x/α) − 1) elsewhere: smooth at 0.
    Celu {
        /// Minus the limit at −∞.
        alpha: f32,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// ln(1 + eˣ).
    Softplus,
    /// x / (1 + |x|).
    Softsign,
    /// x tanh(ln(1 + eˣ)) (Misra 2019).
    Mish,
    /// min(max(x, low), high); derivative 0 at both bounds, as a ReLU6 has it. An infinite bound is none.
    Clip {
        /// The least value.
        low: f32,
        /// The largest value; it wins where it is below `low`.
        high: f32,
    },
    /// eˣ.
    Exp,
    /// ln x; NaN below 0.
    Log,
    /// √x; derivative ∞ at 0.
    Sqrt,
    /// 1 / x.
    Reciprocal,
    /// |x|; derivative 0 at 0.
    Abs,
    /// −x.
    Neg,
    /// 2/√π ∫₀ˣ e^(−t²) dt.
    Erf,
    /// x^p; NaN for x < 0 unless p is a whole number.
    Power {
        /// p.
        exponent: f32,
    },
    /// x².
    Square,
    /// Sine of an angle in radians.
    Sin,
    /// Cosine of an angle in radians.
    Cos,
    /// The largest whole number up to x; derivative 0.
    Floor,
    /// The smallest whole number from x on; derivative 0.
    Ceil,
    /// The nearest whole number, the even one of two; derivative 0.
    Round,
    /// −1, 0 or 1; derivative 0.
    Sign,
}

impl Function {
    /// The SELU of its paper: mean 0 and variance 1 are its fixed point.
    pub const SELU: Self = Self::Selu { alpha: 1.673_263_2, gamma: 1.050_701 };
    /// The hard sigmoid of PyTorch and of the mobile networks.
    pub const HARD_SIGMOID: Self = Self::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };
    /// The sigmoid linear unit.
    pub const SILU: Self = Self::Silu { beta: 1.0 };
}
