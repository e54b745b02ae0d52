//! Softmax, and division by a norm.

use super::{Axes, Binary, Function, Map, Reduction};
use candle_core::Result;

/// y = eˣ / Σeˣ or its logarithm, over some of the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax {
    /// [`Axes::CHANNELS`]: the scores of each place; [`Axes::IMAGE`]: those of a whole vector.
    pub axes: Axes,
    /// Whether y is the logarithm x − ln Σeˣ.
    pub log: bool,
}

impl Softmax {
    /// The softmax of the map.
    ///
    /// # Errors
    /// If there is nothing to sum over.
    pub fn forward(self, x: &Map) -> Result<Map> {
        let largest = Reduction::Max.forward(x, self.axes)?;
        let x = Binary::Sub.forward(x, &largest)?;
        if self.log {
            let sum = Reduction::Sum.forward(&Function::Exp.forward(x.clone())?, self.axes)?;
            return Binary::Sub.forward(&x, &Function::Log.forward(sum)?);
        }
        let e = Function::Exp.forward(x)?;
        let sum = Reduction::Sum.forward(&e, self.axes)?;
        Binary::Div.forward(&e, &sum)
    }

    /// ∂x from the output and the gradient at it.
    ///
    /// # Errors
    /// If `y` and `dy` differ in shape or kernel set.
    pub fn vjp(self, y: &Map, dy: &Map) -> Result<Map> {
        dy.must_be(y.shape())?;
        if self.log {
            let sum = Reduction::Sum.forward(dy, self.axes)?;
            let share = Binary::Mul.forward(&Function::Exp.forward(y.clone())?, &sum)?;
            return Binary::Sub.forward(dy, &share);
        }
        let weighted = Binary::Mul.forward(y, dy)?;
        let sum = Reduction::Sum.forward(&weighted, self.axes)?;
        Binary::Sub.forward(&weighted, &Binary::Mul.forward(y, &sum)?)
    }
}

/// Which norm a map is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Σ|x|.
    L1,
    /// √Σx².
    L2,
}

/// y = x / max(‖x‖, ε), over some of the axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DivideByNorm {
    /// Which norm.
    pub norm: Norm,
    /// What the norm is over: [`Axes::CHANNELS`] for each place by itself.
    pub axes: Axes,
    /// The least divisor (PyTorch 1e-12).
    pub epsilon: f32,
}

impl DivideByNorm {
    fn norm_of(self, x: &Map) -> Result<Map> {
        match self.norm {
            Norm::L1 => Reduction::Sum.forward(&Function::Abs.forward(x.clone())?, self.axes),
            Norm::L2 => Reduction::L2.forward(x, self.axes),
        }
    }

    fn divisor(self, norm: Map) -> Result<Map> {
        Function::Clip { low: self.epsilon, high: f32::INFINITY }.forward(norm)
    }

    /// x / max(‖x‖, ε).
    ///
    /// # Errors
    /// If there is nothing to take the norm of.
    pub fn forward(self, x: &Map) -> Result<Map> {
        Binary::Div.forward(x, &self.divisor(self.norm_of(x)?)?)
    }

    /// ∂x from the input and the gradient at the output; 0 where the norm is 0.
    ///
    /// # Errors
    /// If `x` and `dy` differ in shape or kernel set.
    pub fn vjp(self, x: &Map, dy: &Map) -> Result<Map> {
        dy.must_be(x.shape())?;
        let norm = self.norm_of(x)?;
        let divisor = self.divisor(norm.clone())?;
        // ∂y / n, less what ∂‖x‖ takes away where the norm is the divisor: Σ(∂y · x) / n² of it.
        let direct = Binary::Div.forward(dy, &divisor)?;
        // Where the norm is 0 there is no direction that it could keep: 0, and not 1/ε as in PyTorch.
        let direct = Binary::Mul.forward(&direct, &Function::Sign.forward(norm.clone())?)?;
        let y = Binary::Div.forward(x, &divisor)?;
        let pull = Reduction::Sum.forward(&Binary::Mul.forward(&direct, &y)?, self.axes)?;
        let pull = Function::Clip { low: self.epsilon, high: f32::INFINITY }.vjp(&norm, pull)?;
        let slope = match self.norm {
            Norm::L1 => Function::Sign.forward(x.clone())?,
            Norm::L2 => y,
        };
        Binary::Sub.forward(&direct, &Binary::Mul.forward(&slope, &pull)?)
    }
}
