//! Functions of one variable on every value of a map, and their formulas in candle operations.

use super::{Function, Map, map::mixed};
use candle_core::{DType, Result, Tensor};

impl Function {
    /// f(x), in place where no other map shares the values.
    ///
    /// # Errors
    /// If candle cannot allocate the result.
    pub fn forward(self, x: Map) -> Result<Map> {
        Ok(match x {
            Map::Cpu(mut x) => {
                x.make_mut().apply(self);
                Map::Cpu(x)
            }
            Map::Candle(x) => Map::Candle(value(self, &x)?),
        })
    }

    /// ∂x = f′(x) ∂y from the input and the gradient at the output, in place where no other map shares ∂y.
    ///
    /// # Errors
    /// If `x` and `dy` differ in shape or kernel set.
    pub fn vjp(self, x: &Map, dy: Map) -> Result<Map> {
        dy.must_be(x.shape())?;
        match (x, dy) {
            (Map::Cpu(x), Map::Cpu(mut dy)) => {
                dy.make_mut().apply_slope(self, x);
                Ok(Map::Cpu(dy))
            }
            (Map::Candle(x), Map::Candle(dy)) => Ok(Map::Candle((dy * slope(self, x)?)?)),
            _ => Err(mixed()),
        }
    }
}

/// 1 where the condition (a tensor of bytes) holds, 0 elsewhere.
pub(super) fn indicator(condition: &Tensor) -> Result<Tensor> {
    condition.to_dtype(DType::F32)
}

/// `yes` where the condition holds, `no` elsewhere; all of one shape.
fn either(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    condition.where_cond(yes, no)
}

fn constant(x: &Tensor, value: f32) -> Result<Tensor> {
    Tensor::full(value, x.shape(), x.device())
}

/// 1 / (1 + e⁻ˣ), with a power that cannot overflow.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    let e = x.abs()?.neg()?.exp()?;
    let over = (&e + 1.0)?;
    either(&x.ge(0f32)?, &over.recip()?, &(e / over)?)
}

/// σ (1 − σ) without a difference of nearly equal numbers.
fn sigmoid_slope(x: &Tensor) -> Result<Tensor> {
    let e = x.abs()?.neg()?.exp()?;
    let over = (&e + 1.0)?;
    e / over.sqr()?
}

fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// α (e^(x/τ) − 1) below 0, x from there on.
fn elu(x: &Tensor, alpha: f32, tau: f32) -> Result<Tensor> {
    let below = x.minimum(&x.zeros_like()?)?;
    // tanh is precise near 0, where the difference of eˣ and 1 is not: eˣ − 1 = 2t / (1 − t), t = tanh(x/2).
    let t = (below / (2.0 * f64::from(tau)))?.tanh()?;
    let below = ((&t * (2.0 * f64::from(alpha)))? / (1.0 - t)?)?;
    either(&x.gt(0f32)?, x, &below)
}

fn elu_slope(x: &Tensor, alpha: f32, tau: f32) -> Result<Tensor> {
    let below = ((x / f64::from(tau))?.exp()? * f64::from(alpha / tau))?;
    either(&x.gt(0f32)?, &x.ones_like()?, &below)
}

/// Twice the argument of the approximated GELU's tangent.
fn gelu_argument(x: &Tensor) -> Result<Tensor> {
    let factor = 2.0 * (2.0 * std::f64::consts::FRAC_1_PI).sqrt();
    (x * ((x.sqr()? * 0.044_715)? + 1.0)?)? * factor
}

fn normal_cdf(x: &Tensor) -> Result<Tensor> {
    ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? * 0.5)? + 0.5
}

/// tanh(ln(1 + eˣ)).
fn mish_factor(x: &Tensor) -> Result<Tensor> {
    softplus(x)?.tanh()
}

/// The nearest whole number, the even one of two; candle's goes away from 0.
fn round(x: &Tensor) -> Result<Tensor> {
    let half = (x - x.floor()?)?.eq(0.5f32)?;
    either(&half, &((x * 0.5)?.round()? * 2.0)?, &x.round()?)
}

/// min(max(x, low), high); NaN stays NaN, which `clamp` does not promise.
fn clip(x: &Tensor, low: f32, high: f32) -> Result<Tensor> {
    let x = either(&x.lt(low)?, &constant(x, low)?, x)?;
    either(&x.gt(high)?, &constant(&x, high)?, &x)
}

/// The sign; 0 for 0, NaN for NaN.
fn sign(x: &Tensor) -> Result<Tensor> {
    let sign = (indicator(&x.gt(0f32)?)? - indicator(&x.lt(0f32)?)?)?;
    either(&x.eq(x)?, &sign, x)
}

/// p x^(p−1), 0 for p = 0 wherever x is.
fn power_slope(x: &Tensor, exponent: f64) -> Result<Tensor> {
    if exponent == 0.0 { x.zeros_like() } else { x.powf(exponent - 1.0)? * exponent }
}

/// f(x).
fn value(function: Function, x: &Tensor) -> Result<Tensor> {
    match function {
        Function::Sigmoid => sigmoid(x),
        Function::HardSigmoid { alpha, beta } => clip(&x.affine(f64::from(alpha), f64::from(beta))?, 0.0, 1.0),
        Function::HardSwish => (x * clip(&(x + 3.0)?, 0.0, 6.0)?)? / 6.0,
        Function::Silu { beta } => x * sigmoid(&(x * f64::from(beta))?)?,
        Function::Gelu => x * normal_cdf(x)?,
        Function::GeluTanh => x * sigmoid(&gelu_argument(x)?)?,
        Function::LeakyRelu { alpha } => either(&x.gt(0f32)?, x, &(x * f64::from(alpha))?),
        Function::Elu { alpha } => elu(x, alpha, 1.0),
        Function::Selu { alpha, gamma } => elu(x, alpha, 1.0)? * f64::from(gamma),
        Function::Celu { alpha } => elu(x, alpha, alpha),
        Function::Tanh => x.tanh(),
        Function::Softplus => softplus(x),
        Function::Softsign => x / (x.abs()? + 1.0)?,
        Function::Mish => x * mish_factor(x)?,
        Function::Clip { low, high } => clip(x, low, high),
        Function::Exp => x.exp(),
        Function::Log => x.log(),
        Function::Sqrt => x.sqrt(),
        Function::Reciprocal => x.recip(),
        Function::Abs => x.abs(),
        Function::Neg => x.neg(),
        Function::Erf => x.erf(),
        Function::Power { exponent } => x.powf(f64::from(exponent)),
        Function::Square => x.sqr(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Floor => x.floor(),
        Function::Ceil => x.ceil(),
        Function::Round => round(x),
        Function::Sign => sign(x),
    }
}

/// f′(x).
fn slope(function: Function, x: &Tensor) -> Result<Tensor> {
    let ones = || x.ones_like();
    match function {
        Function::Sigmoid => sigmoid_slope(x),
        Function::HardSigmoid { alpha, beta } => {
            let y = x.affine(f64::from(alpha), f64::from(beta))?;
            (indicator(&y.gt(0f32)?)? * indicator(&y.lt(1f32)?)?)? * f64::from(alpha)
        }
        Function::HardSwish => {
            let inner = either(&x.le(-3f32)?, &x.zeros_like()?, &x.affine(1.0 / 3.0, 0.5)?)?;
            either(&x.ge(3f32)?, &ones()?, &inner)
        }
        Function::Silu { beta } => {
            let u = (x * f64::from(beta))?;
            sigmoid(&u)? + (&u * sigmoid_slope(&u)?)?
        }
        Function::Gelu => {
            let density = ((x.sqr()? * -0.5)?.exp()? * 0.398_942_280_401_432_7)?;
            normal_cdf(x)? + (x * density)?
        }
        Function::GeluTanh => {
            let u = gelu_argument(x)?;
            let factor = 2.0 * (2.0 * std::f64::consts::FRAC_1_PI).sqrt();
            let slope = ((x.sqr()? * (3.0 * 0.044_715))? + 1.0)?;
            sigmoid(&u)? + (((x * sigmoid_slope(&u)?)? * slope)? * factor)?
        }
        Function::LeakyRelu { alpha } => either(&x.gt(0f32)?, &ones()?, &constant(x, alpha)?),
        Function::Elu { alpha } => elu_slope(x, alpha, 1.0),
        Function::Selu { alpha, gamma } => elu_slope(x, alpha, 1.0)? * f64::from(gamma),
        Function::Celu { alpha } => elu_slope(x, alpha, alpha),
        Function::Tanh => sigmoid_slope(&(x * 2.0)?)? * 4.0,
        Function::Softplus => sigmoid(x),
        Function::Softsign => (x.abs()? + 1.0)?.sqr()?.recip(),
        Function::Mish => {
            let t = mish_factor(x)?;
            let rest = ((1.0 - t.sqr()?)? * sigmoid(x)?)?;
            t + (x * rest)?
        }
        Function::Clip { low, high } => indicator(&x.gt(low)?)? * indicator(&x.lt(high)?)?,
        Function::Exp => x.exp(),
        Function::Log => x.recip(),
        Function::Sqrt => x.sqrt()?.recip()? * 0.5,
        Function::Reciprocal => x.sqr()?.recip()?.neg(),
        Function::Abs => sign(x),
        Function::Neg => constant(x, -1.0),
        Function::Erf => x.sqr()?.neg()?.exp()? * std::f64::consts::FRAC_2_SQRT_PI,
        Function::Power { exponent } => power_slope(x, f64::from(exponent)),
        Function::Square => x * 2.0,
        Function::Sin => x.cos(),
        Function::Cos => x.sin()?.neg(),
        Function::Floor | Function::Ceil | Function::Round | Function::Sign => x.zeros_like(),
    }
}
