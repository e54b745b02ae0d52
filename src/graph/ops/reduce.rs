//! Many values into one.

use super::prelude::*;
use crate::kernels::{self, Reduction};

/// The sum, mean, largest, least or Euclidean norm of the values along some axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduce {
    reduction: Reduction,
    axes: Vec<usize>,
    keep: bool,
}

impl Reduce {
    /// Along `axes`, which stay with length 1 if they are kept.
    #[must_use]
    pub fn new(reduction: Reduction, axes: Vec<usize>, keep: bool) -> Self {
        Self { reduction, axes, keep }
    }

    /// The shape with the axes of length 1.
    fn kept(&self, shape: &[usize]) -> Shape {
        let mut shape = shape.to_vec();
        self.axes.iter().for_each(|&axis| shape[axis] = 1);
        shape
    }
}

impl Operator for Reduce {
    fn kind(&self) -> Kind {
        Kind::other(match self.reduction {
            Reduction::Sum => "sum over axes",
            Reduction::Mean => "mean over axes",
            Reduction::Max => "maximum over axes",
            Reduction::Min => "minimum over axes",
            Reduction::L2 => "norm",
        })
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        within_a_map(&self.axes, inputs[0], "a reduction")?;
        if self.keep {
            return Ok(self.kept(inputs[0]));
        }
        let left = inputs[0].iter().enumerate().filter(|(axis, _)| !self.axes.contains(axis));
        Ok(left.map(|(_, length)| *length).collect())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        !self.axes.contains(&0)
    }

    fn saves(&self) -> Saves {
        if self.reduction.reads_values() { Saves::InputsAndOutput } else { Saves::Nothing }
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        let (shape, layout, kernels) = (x.shape(), x.layout(), x.kernels());
        let y = self.reduction.forward(&x.laid_out(layout)?, layout.places(shape.len(), &self.axes))?;
        Value::of_laid_out(y, layout, self.kept(&shape), kernels)?.reshaped(&self.output_shape(&[&shape])?)
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let (shape, kernels) = (at.input_shape(0), dy.kernels());
        let (rank, kept) = (shape.len(), self.kept(shape));
        let dy = dy.reshaped(&kept)?;
        let layout = if self.reduction.reads_values() { at.input(0)?.layout() } else { dy.layout() };
        let (axes, dy) = (layout.places(rank, &self.axes), dy.laid_out(layout)?);
        let dx = if self.reduction.reads_values() {
            let y = at.output()?.clone().reshaped(&kept)?.laid_out(layout)?;
            self.reduction.vjp(&at.input(0)?.clone().laid_out(layout)?, &y, dy, axes)?
        } else {
            let whole = dy.broadcast_to(layout.map_shape(shape)?)?;
            let count: usize = self.axes.iter().map(|&axis| shape[axis]).product();
            match self.reduction {
                Reduction::Mean => {
                    let device = whole.to_tensor()?.device().clone();
                    let share = Value::of_tensor(Tensor::full(1.0 / count as f32, (1, 1, 1, 1), &device)?, kernels);
                    kernels::Binary::Mul.forward(&whole, &share.laid_out(layout)?)?
                }
                _ => whole,
            }
        };
        Ok(vec![Value::of_laid_out(dx, layout, shape.to_vec(), kernels)?])
    }

    fn rules(&self) -> Rules<'_> {
        match self.reduction {
            Reduction::Sum | Reduction::Mean => Rules::LINEAR,
            Reduction::Max | Reduction::Min => {
                let largest = self.reduction == Reduction::Max;
                let rule = move |at: &Point<'_>, other: &Point<'_>, dy| winners(self, at, other, &dy, largest);
                Rules { deeplift: DeepLift::Own(Box::new(rule)), ..Rules::MOVING }
            }
            // Its derivative times the values is the norm itself.
            Reduction::L2 => Rules { deeplift: DeepLift::Unknown, ..Rules::LINEAR },
        }
    }
}
