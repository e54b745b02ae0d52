//! Functions of single elements: their names, and their values where constants are folded.

/// A function of one element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unary {
    /// max(x, 0).
    Relu,
    /// x, or this slope times x below 0.
    LeakyRelu(f32),
    /// x, or alpha · (eˣ − 1) below 0.
    Elu(f32),
    /// gamma · Elu(alpha).
    Selu {
        /// Of the exponential.
        alpha: f32,
        /// Of everything.
        gamma: f32,
    },
    /// x, or alpha · (e^(x/alpha) − 1) below 0.
    Celu(f32),
    /// x between two bounds, infinite where open.
    Clip {
        /// The least value.
        min: f32,
        /// The largest value.
        max: f32,
    },
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// alpha · x + beta between 0 and 1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// x · HardSigmoid(1/6, 1/2).
    HardSwish,
    /// x · sigmoid(beta · x).
    Silu {
        /// 1 in nearly all networks.
        beta: f32,
    },
    /// x · tanh(softplus(x)).
    Mish,
    /// x · Φ(x).
    Gelu {
        /// Whether Φ is approximated by a hyperbolic tangent.
        tanh: bool,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// ln(1 + eˣ).
    Softplus,
    /// x / (1 + |x|).
    Softsign,
    /// Error function.
    Erf,
    /// eˣ.
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// 1 / x.
    Reciprocal,
    /// |x|.
    Abs,
    /// −x.
    Neg,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// −1, 0 or 1.
    Sign,
    /// The integer below.
    Floor,
    /// The integer above.
    Ceil,
    /// The nearest integer, halves to the even one.
    Round,
    /// 1 − x, for truth values.
    Not,
}

impl Unary {
    /// Its name: ONNX's where it has one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::LeakyRelu(_) => "LeakyRelu",
            Self::Elu(_) => "Elu",
            Self::Selu { .. } => "Selu",
            Self::Celu(_) => "Celu",
            Self::Clip { .. } => "Clip",
            Self::Sigmoid => "Sigmoid",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::Silu { .. } => "Silu",
            Self::Mish => "Mish",
            Self::Gelu { .. } => "Gelu",
            Self::Tanh => "Tanh",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::Erf => "Erf",
            Self::Exp => "Exp",
            Self::Log => "Log",
            Self::Sqrt => "Sqrt",
            Self::Reciprocal => "Reciprocal",
            Self::Abs => "Abs",
            Self::Neg => "Neg",
            Self::Sin => "Sin",
            Self::Cos => "Cos",
            Self::Sign => "Sign",
            Self::Floor => "Floor",
            Self::Ceil => "Ceil",
            Self::Round => "Round",
            Self::Not => "Not",
        }
    }

    /// Its value.
    #[must_use]
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::LeakyRelu(slope) => below(x, f64::from(slope) * x),
            Self::Elu(alpha) => below(x, f64::from(alpha) * x.exp_m1()),
            Self::Selu { alpha, gamma } => f64::from(gamma) * below(x, f64::from(alpha) * x.exp_m1()),
            Self::Celu(alpha) => below(x, f64::from(alpha) * (x / f64::from(alpha)).exp_m1()),
            // Not `clamp`, which panics where the bounds are crossed.
            Self::Clip { min, max } => x.max(f64::from(min)).min(f64::from(max)),
            Self::Sigmoid => sigmoid(x),
            Self::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Silu { beta } => x * sigmoid(f64::from(beta) * x),
            Self::Mish => x * softplus(x).tanh(),
            Self::Gelu { tanh: false } => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Gelu { tanh: true } => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
            }
            Self::Tanh => x.tanh(),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Erf => erf(x),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Reciprocal => 1.0 / x,
            Self::Abs => x.abs(),
            Self::Neg => -x,
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Sign if x == 0.0 => 0.0,
            Self::Sign => x.signum(),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Not => 1.0 - x,
        }
    }
}

/// x, or `otherwise` where x is negative.
fn below(x: f64, otherwise: f64) -> f64 {
    if x < 0.0 { otherwise } else { x }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The error function, to about 1e-15: its power series near 0, a continued fraction of its complement beyond
/// (Abramowitz and Stegun 7.1.6 and 7.1.14).
fn erf(x: f64) -> f64 {
    let a = x.abs();
    let value = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..120 {
            term *= 2.0 * a * a / f64::from(2 * n + 1);
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp() * sum
    } else if a.is_nan() {
        a
    } else {
        let mut fraction = a;
        for k in (1..60).rev() {
            fraction = a + f64::from(k) / 2.0 / fraction;
        }
        1.0 - (-a * a).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

/// A function of two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// x + y.
    Add,
    /// x − y.
    Sub,
    /// x · y.
    Mul,
    /// x / y.
    Div,
    /// xʸ.
    Pow,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// The remainder, with the sign of y, or of x where `fmod` was asked for.
    Mod {
        /// Sign of x.
        fmod: bool,
    },
    /// x = y.
    Equal,
    /// x < y.
    Less,
    /// x ≤ y.
    LessOrEqual,
    /// x > y.
    Greater,
    /// x ≥ y.
    GreaterOrEqual,
    /// Both.
    And,
    /// Either.
    Or,
    /// One of the two.
    Xor,
}

impl Binary {
    /// Its name in ONNX.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Pow => "Pow",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Mod { .. } => "Mod",
            Self::Equal => "Equal",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
        }
    }

    /// Whether it has a gradient.
    #[must_use]
    pub fn is_smooth(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Pow | Self::Min | Self::Max)
    }

    /// Whether its result is a truth value.
    #[must_use]
    pub fn is_logical(self) -> bool {
        !self.is_smooth() && !matches!(self, Self::Mod { .. })
    }

    /// Its value of numbers.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "equality of constants is what the file asks for")]
    pub fn apply(self, x: f64, y: f64) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match self {
            Self::Add => x + y,
            Self::Sub => x - y,
            Self::Mul => x * y,
            Self::Div => x / y,
            Self::Pow => x.powf(y),
            Self::Min => x.min(y),
            Self::Max => x.max(y),
            Self::Mod { fmod: true } => x % y,
            Self::Mod { fmod: false } => x - (x / y).floor() * y,
            Self::Equal => truth(x == y),
            Self::Less => truth(x < y),
            Self::LessOrEqual => truth(x <= y),
            Self::Greater => truth(x > y),
            Self::GreaterOrEqual => truth(x >= y),
            Self::And => truth(x != 0.0 && y != 0.0),
            Self::Or => truth(x != 0.0 || y != 0.0),
            Self::Xor => truth((x != 0.0) != (y != 0.0)),
        }
    }

    /// Its value of integers, of which division cuts towards zero; what overflows or divides by zero is 0.
    #[must_use]
    pub fn apply_ints(self, x: i64, y: i64) -> i64 {
        let truth = i64::from;
        match self {
            Self::Add => x.wrapping_add(y),
            Self::Sub => x.wrapping_sub(y),
            Self::Mul => x.wrapping_mul(y),
            Self::Div => x.checked_div(y).unwrap_or(0),
            Self::Pow => u32::try_from(y).ok().and_then(|y| x.checked_pow(y)).unwrap_or(0),
            Self::Min => x.min(y),
            Self::Max => x.max(y),
            Self::Mod { fmod: true } => x.checked_rem(y).unwrap_or(0),
            Self::Mod { fmod: false } => match x.checked_rem(y) {
                Some(rest) if rest != 0 && (rest < 0) != (y < 0) => rest + y,
                Some(rest) => rest,
                None => 0,
            },
            Self::Equal => truth(x == y),
            Self::Less => truth(x < y),
            Self::LessOrEqual => truth(x <= y),
            Self::Greater => truth(x > y),
            Self::GreaterOrEqual => truth(x >= y),
            Self::And => truth(x != 0 && y != 0),
            Self::Or => truth(x != 0 || y != 0),
            Self::Xor => truth((x != 0) != (y != 0)),
        }
    }
}
