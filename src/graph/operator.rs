//! What an operator is.

use super::kind::Kind;
use super::point::Point;
use super::rules::Rules;
use super::value::{Shape, Value};
use candle_core::Result;
use rand::RngCore;
use std::any::Any;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A frozen function of some values to one value, with everything that a network asks of it: its weights, if it has
/// any, never change, so that it has a derivative by its inputs alone. An operator is one file in `ops/`.
pub trait Operator: Any + Debug + Send + Sync {
    /// The kind of layer.
    fn kind(&self) -> Kind;

    /// How many inputs it takes.
    fn arity(&self) -> RangeInclusive<usize>;

    /// The shape of its output for inputs of these shapes, as many as it takes.
    ///
    /// # Errors
    /// If they do not fit it or each other.
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape>;

    /// Whether the first axis of its inputs and of its output may hold any number of pictures, each on its own. A network
    /// with an operator that cannot do that runs picture by picture, with 1 there. `inputs` are the shapes for one.
    fn any_batch(&self, inputs: &[&[usize]]) -> bool;

    /// Multiply–accumulates of one forward pass, as the definition counts them; 0 where nothing is multiplied by a
    /// matrix or a kernel.
    fn macs(&self, _inputs: &[&[usize]]) -> usize {
        0
    }

    /// Numbers it has learned.
    fn parameters(&self) -> usize {
        0
    }

    /// What [`Operator::vjp`] looks at.
    fn saves(&self) -> Saves;

    /// The output. Inputs that nobody else holds may be worked on in place.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn forward(&self, inputs: Vec<Value>) -> Result<Value>;

    /// The gradients at the inputs, one for each in its shape, from the gradient `dy` at the output: the vector–Jacobian
    /// product.
    ///
    /// # Errors
    /// If `dy` does not have the output's shape, or the pass kept too little.
    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>>;

    /// How relevance passes it.
    fn rules(&self) -> Rules<'_>;

    /// Its weights, if it mixes values by some.
    fn weighted(&self) -> Option<&dyn Weighted> {
        None
    }
}

/// An operator with weights.
pub trait Weighted {
    /// The same operator with weights drawn anew: normal, with the mean and the standard deviation of those they
    /// replace; biases are kept.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    fn randomised(&self, rng: &mut dyn RngCore) -> Result<Arc<dyn Operator>>;
}

/// What an operator's derivative needs of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saves {
    /// Nothing but shapes.
    Nothing,
    /// Its inputs.
    Inputs,
    /// Its output.
    Output,
    /// Both.
    InputsAndOutput,
}

impl Saves {
    /// Whether the inputs are needed.
    #[must_use]
    pub fn inputs(self) -> bool {
        matches!(self, Self::Inputs | Self::InputsAndOutput)
    }

    /// Whether the output is needed.
    #[must_use]
    pub fn output(self) -> bool {
        matches!(self, Self::Output | Self::InputsAndOutput)
    }
}

/// The only input of an operator that takes one.
pub(super) fn only(inputs: Vec<Value>) -> Result<Value> {
    exactly::<1>(inputs).map(|[input]| input)
}

/// The inputs of an operator that takes so many.
pub(super) fn exactly<const N: usize>(inputs: Vec<Value>) -> Result<[Value; N]> {
    inputs.try_into().map_err(|inputs: Vec<Value>| {
        candle_core::Error::Msg(format!("{} inputs came where {N} were due", inputs.len()))
    })
}
