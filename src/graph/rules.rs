//! How an operator takes part in the methods that hand on something else than the derivative.

use super::point::Point;
use super::value::Value;
use candle_core::{Result, Tensor};

/// An operator's rules for DeepLIFT, layer-wise relevance propagation and FullGrad. There is none by default: an
/// operator says that it has no rule, and the method says so to the person.
pub struct Rules<'a> {
    /// For [`super::Graph::deeplift`].
    pub deeplift: DeepLift<'a>,
    /// For [`super::Graph::lrp`].
    pub lrp: Lrp<'a>,
    /// For [`super::Graph::bias_terms`].
    pub biases: Biases<'a>,
}

/// The multipliers of the inputs, given the multiplier of the output, between a point and a reference.
pub enum DeepLift<'a> {
    /// Linear: the derivative.
    Derivative,
    /// A function of each value alone: Δy/Δx, and the derivative where there is no difference.
    Rescale,
    /// Its own: from the point, the reference and the multiplier of the output to those of the inputs.
    Own(Box<OwnDeepLift<'a>>),
    /// It has none.
    Unknown,
}

/// A rule of DeepLIFT.
pub type OwnDeepLift<'a> = dyn Fn(&Point<'_>, &Point<'_>, Value) -> Result<Vec<Value>> + Sync + 'a;

/// How the relevance of the output comes to the inputs.
pub enum Lrp<'a> {
    /// A function of each value alone: as it is.
    Identity,
    /// Values are moved or chosen: to where they came from, by the derivative.
    Origin,
    /// Linear: shared in proportion to what each input value contributed.
    Contributions,
    /// Its own.
    Own(Box<OwnLrp<'a>>),
    /// It has none.
    Unknown,
}

/// A rule of layer-wise relevance propagation.
pub type OwnLrp<'a> = dyn Fn(&Point<'_>, Value, LrpRule) -> Result<Shared> + Sync + 'a;

/// Relevance as an operator shares it.
pub struct Shared {
    /// One for each input, in its shape.
    pub inputs: Vec<Value>,
    /// What biases took.
    pub biases: f64,
}

/// What is left of the output when Σ input · ∂output/∂input is taken from it, times the gradient at it.
pub enum Biases<'a> {
    /// Nothing: twice the input gives twice the output.
    Nothing,
    /// A function of each value alone: what its tangent leaves at 0.
    Tangent,
    /// Its own, of the output's shape, `None` if there is nothing now.
    Own(Box<OwnBiases<'a>>),
    /// It has no rule.
    Unknown,
}

/// A rule for the terms of FullGrad.
pub type OwnBiases<'a> = dyn Fn(&Point<'_>, &Value) -> Result<Option<Tensor>> + Sync + 'a;

impl Rules<'_> {
    /// Of operators that move values, join them or leave some out.
    pub const MOVING: Self = Self { deeplift: DeepLift::Derivative, lrp: Lrp::Origin, biases: Biases::Nothing };
    /// Of linear operators without weights: sums and means.
    pub const LINEAR: Self =
        Self { deeplift: DeepLift::Derivative, lrp: Lrp::Contributions, biases: Biases::Nothing };
    /// Of functions of each value alone.
    pub const POINTWISE: Self = Self { deeplift: DeepLift::Rescale, lrp: Lrp::Identity, biases: Biases::Tangent };
    /// Of operators without any.
    pub const UNKNOWN: Self = Self { deeplift: DeepLift::Unknown, lrp: Lrp::Unknown, biases: Biases::Unknown };
}

/// How LRP shares a unit's relevance among its inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrpRule {
    /// Added to every denominator, away from zero, in units of the layer's root mean square.
    pub epsilon: f64,
    /// How much more contributions of the output's own sign count: 0 is the ε rule.
    pub gamma: f64,
}

impl LrpRule {
    /// R / z with the denominator kept away from zero by ε times its root mean square.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn quotient(self, relevance: &Tensor, z: &Tensor) -> Result<Tensor> {
        let scale = f64::from(z.sqr()?.mean_all()?.to_scalar::<f32>()?).sqrt();
        let least = (self.epsilon * scale).max(f64::from(f32::MIN_POSITIVE));
        let positive = z.ge(0.0)?;
        let away = positive.where_cond(&(z + least)?, &(z - least)?)?;
        relevance / away
    }
}

/// Differences from the reference below this are taken for none.
const NO_DIFFERENCE: f32 = 1e-10;

/// Multipliers `shared / Δx`, and `slope` where there is no difference: DeepLIFT's rescale rule with `shared` the
/// output's multiplier times its difference. All of one shape.
///
/// # Errors
/// If the shapes differ.
pub fn rescaled(shared: &Tensor, difference: &Tensor, slope: &Tensor) -> Result<Tensor> {
    let differs = difference.abs()?.gt(NO_DIFFERENCE)?;
    let safe = differs.where_cond(difference, &difference.ones_like()?)?;
    differs.where_cond(&(shared / safe)?, slope)
}
