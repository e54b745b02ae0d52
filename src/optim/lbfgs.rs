//! L-BFGS within bounds: Nocedal's two-loop recursion (Nocedal & Wright 2006, algorithm 7.4), directions cut where a
//! bound is in the way, and a backtracking line search along the projected path (Bertsekas 1982).

use crate::error::Result;
use candle_core::{DType, Tensor};
use std::collections::VecDeque;

/// Pairs of moves and changes of the gradient that are remembered.
const MEMORY: usize = 10;
/// Share of the promised descent that a move has to bring (Armijo's condition).
const ENOUGH: f64 = 1e-4;
/// Looks along one direction at most.
const LOOKS: usize = 8;
/// Mean change of a value in the very first move: no curvature is known yet.
const FIRST: f64 = 0.01;

/// Moves `x` in `[0, 1]` against gradients, with what it learned of the curvature.
#[derive(Debug, Clone, Default)]
pub struct Lbfgs {
    /// Moves s and changes of the gradient y.
    pairs: VecDeque<(Tensor, Tensor)>,
}

/// Where a line search ended.
#[derive(Debug)]
pub struct Moved<T> {
    /// The new `x`.
    pub x: Tensor,
    /// What was found there.
    pub found: T,
    /// Whether the objective became smaller: if not, `x` is the old one.
    pub better: bool,
}

/// An objective and its gradient at a place.
pub trait Slope {
    /// The objective.
    fn value(&self) -> f64;
    /// Its gradient, in the shape of `x`.
    fn gradient(&self) -> &Tensor;
}

impl Lbfgs {
    /// One iteration from `x`, where `here` was found. `evaluate` looks at another place.
    ///
    /// # Errors
    /// Those of `evaluate`.
    pub fn step<T: Slope>(
        &mut self,
        x: &Tensor,
        here: T,
        mut evaluate: impl FnMut(&Tensor) -> Result<T>,
    ) -> Result<Moved<T>> {
        let free = free(x, here.gradient())?;
        let gradient = (here.gradient() * &free)?;
        let mut direction = (self.against(&gradient)? * &free)?;
        let mut length = 1.0;
        if dot(&direction, &gradient)? >= 0.0 {
            // What was learned points uphill: forget it.
            self.pairs.clear();
            direction = gradient.neg()?;
        }
        if self.pairs.is_empty() {
            let mean = f64::from(direction.abs()?.mean_all()?.to_scalar::<f32>()?);
            length = FIRST / mean.max(1e-20);
        }
        for _ in 0..LOOKS {
            let there = (x + (&direction * length)?)?.clamp(0f32, 1f32)?;
            let step = (&there - x)?;
            let promised = dot(here.gradient(), &step)?;
            let found = evaluate(&there)?;
            if found.value() <= here.value() + ENOUGH * promised {
                let change = (found.gradient() - here.gradient())?;
                let curvature = dot(&step, &change)?;
                if curvature > 1e-10 * dot(&change, &change)? {
                    self.pairs.push_back((step, change));
                    if self.pairs.len() > MEMORY {
                        self.pairs.pop_front();
                    }
                }
                return Ok(Moved { x: there, found, better: true });
            }
            // The minimum of the parabola through what is known, within reason.
            let rise = found.value() - here.value() - promised;
            let shrink = if rise.is_finite() && rise > 0.0 { -promised / (2.0 * rise) } else { 0.1 };
            length *= shrink.clamp(0.1, 0.5);
        }
        self.pairs.clear();
        Ok(Moved { x: x.clone(), found: here, better: false })
    }

    /// The quasi-Newton direction −H·g.
    fn against(&self, gradient: &Tensor) -> Result<Tensor> {
        let mut q = gradient.clone();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for (s, y) in self.pairs.iter().rev() {
            let share = dot(s, &q)? / dot(s, y)?;
            q = (q - (y * share)?)?;
            shares.push(share);
        }
        if let Some((s, y)) = self.pairs.back() {
            q = (q * (dot(s, y)? / dot(y, y)?))?;
        }
        for ((s, y), share) in self.pairs.iter().zip(shares.iter().rev()) {
            let back = dot(y, &q)? / dot(s, y)?;
            q = (q + (s * (share - back))?)?;
        }
        Ok(q.neg()?)
    }

    /// What it learned, to be kept: moves and changes of the gradient, the oldest first.
    pub fn pairs(&self) -> impl Iterator<Item = &(Tensor, Tensor)> {
        self.pairs.iter()
    }

    /// The optimiser with what it had learned.
    #[must_use]
    pub fn with_pairs(pairs: Vec<(Tensor, Tensor)>) -> Self {
        Self { pairs: pairs.into() }
    }
}

/// 1 where `x` may move against its gradient, 0 where a bound is in the way.
fn free(x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let stuck_low = (x.le(0f32)?.to_dtype(DType::F32)? * gradient.gt(0f32)?.to_dtype(DType::F32)?)?;
    let stuck_high = (x.ge(1f32)?.to_dtype(DType::F32)? * gradient.lt(0f32)?.to_dtype(DType::F32)?)?;
    Ok((1.0 - (stuck_low + stuck_high)?)?)
}

fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok(f64::from((a * b)?.sum_all()?.to_scalar::<f32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    struct Evaluated(f64, Tensor);

    impl Slope for Evaluated {
        fn value(&self) -> f64 {
            self.0
        }
        fn gradient(&self) -> &Tensor {
            &self.1
        }
    }

    /// A long valley, 1 : 1000, whose lowest point lies outside the bounds in the last direction.
    fn valley(x: &Tensor) -> Result<Evaluated> {
        let steep = Tensor::new(&[1f32, 1000.0, 30.0], &Device::Cpu)?;
        let away = (x - Tensor::new(&[0.7f32, 0.2, 1.5], &Device::Cpu)?)?;
        let gradient = (&away * &steep)?;
        Ok(Evaluated(dot(&away, &gradient)? / 2.0, gradient))
    }

    #[test]
    fn a_long_valley_is_descended_within_bounds() -> Result<()> {
        let mut x = Tensor::new(&[0.1f32, 0.9, 0.5], &Device::Cpu)?;
        let mut found = valley(&x)?;
        let mut lbfgs = Lbfgs::default();
        for _ in 0..30 {
            let before = found.value();
            let moved = lbfgs.step(&x, found, valley)?;
            assert!(moved.found.value() <= before);
            (x, found) = (moved.x, moved.found);
        }
        let x = x.to_vec1::<f32>()?;
        assert!((x[0] - 0.7).abs() < 1e-3 && (x[1] - 0.2).abs() < 1e-4 && (x[2] - 1.0).abs() < 1e-6, "{x:?}");
        Ok(())
    }
}
