//! Padding.

use super::prelude::*;
use crate::kernels::{self, PadMode, Separable};

/// More values around a value, or fewer: negative numbers take away.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    /// Before and behind each axis.
    pads: Vec<[isize; 2]>,
    mode: PadMode,
}

impl Pad {
    /// So many before and behind each axis.
    #[must_use]
    pub fn new(pads: Vec<[isize; 2]>, mode: PadMode) -> Self {
        Self { pads, mode }
    }

    /// The padding of maps as which the value lies in memory.
    fn separable(&self, layout: Layout, shape: &[usize]) -> Result<Separable> {
        let mut pads = [[0; 2]; 4];
        for (axis, pad) in self.pads.iter().enumerate() {
            pads[layout.place(shape.len(), axis)] = *pad;
        }
        let ([n, c, h, w], [of_n, of_c, of_h, of_w]) = (layout.map_shape(shape)?, pads);
        if of_n != [0; 2] {
            bail!("{n} pictures cannot be padded by {of_n:?} more");
        }
        kernels::Pad { pads: [of_c, of_h, of_w], mode: self.mode }.separable([c, h, w])
    }

    /// The gradient at what was added.
    fn fill_term(&self, fill: f32, at: &Point<'_>, dy: &Value) -> Result<Option<Tensor>> {
        if fill == 0.0 {
            return Ok(None);
        }
        let dy = dy.to_tensor()?;
        let ones = dy.ones_like()?;
        let inside = only(self.vjp(at, Value::of_tensor(ones, KernelSet::Candle))?)?;
        let outside = Self { mode: PadMode::Constant(0.0), ..self.clone() }.forward(vec![inside])?.to_tensor()?;
        Ok(Some(((dy * (1.0 - outside)?)? * f64::from(fill))?))
    }
}

impl Operator for Pad {
    fn kind(&self) -> Kind {
        Kind::other("padding")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let shape = inputs[0];
        if self.pads.len() != shape.len() || shape.len() > 4 {
            bail!("a value of shape {shape:?} cannot be padded along {} axes", self.pads.len());
        }
        let layout = if shape.len() == 4 { Layout::ChannelsFirst } else { Layout::ChannelsLast };
        self.separable(layout, shape)?;
        let padded = |(length, [before, behind]): (&usize, &[isize; 2])| {
            length.checked_add_signed(*before).and_then(|length| length.checked_add_signed(*behind))
        };
        let padded: Option<Shape> = shape.iter().zip(&self.pads).map(padded).collect();
        padded.ok_or_else(|| candle_core::Error::Msg("a padding takes away more than there is".into()))
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        inputs[0].len() == 4 && self.pads.first() == Some(&[0; 2])
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        let (shape, layout, kernels) = (x.shape(), x.layout(), x.kernels());
        let y = self.separable(layout, &shape)?.forward(&x.laid_out(layout)?)?;
        Value::of_laid_out(y, layout, self.output_shape(&[&shape])?, kernels)
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let (shape, layout, kernels) = (at.input_shape(0), dy.layout(), dy.kernels());
        let dx = self.separable(layout, shape)?.vjp(&dy.laid_out(layout)?)?;
        Ok(vec![Value::of_laid_out(dx, layout, shape.to_vec(), kernels)?])
    }

    fn rules(&self) -> Rules<'_> {
        match self.mode {
            PadMode::Constant(fill) => {
                let biases = Biases::Own(Box::new(move |at, dy| self.fill_term(fill, at, dy)));
                Rules { biases, lrp: if fill == 0.0 { Lrp::Origin } else { Lrp::Unknown }, ..Rules::MOVING }
            }
            PadMode::Reflect | PadMode::Edge | PadMode::Wrap => Rules::MOVING,
        }
    }
}
