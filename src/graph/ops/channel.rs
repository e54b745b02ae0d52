//! Functions of each value that differ from channel to channel.

use super::prelude::*;
use super::weighted;
use crate::kernels;
use crate::kernels::ChannelAffine;

/// The channels of maps or the last axis of a value of any rank, as a map's channels.
fn by_channel(x: Value, axis: usize, function: impl FnOnce(Map) -> Result<Map>) -> Result<Value> {
    let (shape, kernels) = (x.shape(), x.kernels());
    if axis == 1 && shape.len() == 4 {
        return Ok(Value::of_map(function(x.into_map()?)?, kernels));
    }
    Value::of_rows(function(x.into_rows()?)?, shape, kernels)
}

/// Refuses an axis that is neither that of a map's channels nor the last, and another number of channels.
fn check(axis: usize, channels: usize, shape: &[usize]) -> Result<Shape> {
    within(axis, shape)?;
    if shape[axis] != channels || !(axis + 1 == shape.len() || axis == 1 && shape.len() == 4) {
        bail!("{channels} channels along axis {axis} do not fit a value of shape {shape:?}");
    }
    Ok(shape.to_vec())
}

/// y = scale · x + shift along an axis: a batch-norm in evaluation mode that follows no convolution.
#[derive(Debug, Clone)]
pub struct Affine {
    scale: Option<Tensor>,
    shift: Option<Tensor>,
    function: ChannelAffine,
    channels: usize,
    axis: usize,
}

impl Affine {
    /// With a scale, a shift, or both, `[C]`, along `axis`: 1 for the channels of maps, or the last.
    ///
    /// # Errors
    /// If there is neither, or they differ in length.
    pub fn new(scale: Option<Tensor>, shift: Option<Tensor>, axis: usize) -> Result<Self> {
        let function = ChannelAffine::new(scale.as_ref(), shift.as_ref())?;
        let channels = scale.as_ref().or(shift.as_ref()).map_or(0, Tensor::elem_count);
        Ok(Self { scale, shift, function, channels, axis })
    }
}

impl Operator for Affine {
    fn kind(&self) -> Kind {
        Kind::other("affine function")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        check(self.axis, self.channels, inputs[0])
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.axis > 0
    }

    fn parameters(&self) -> usize {
        [&self.scale, &self.shift].into_iter().flatten().map(Tensor::elem_count).sum()
    }

    fn saves(&self) -> Saves {
        Saves::Nothing
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        by_channel(only(inputs)?, self.axis, |x| self.function.forward(x))
    }

    fn vjp(&self, _: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        Ok(vec![by_channel(dy, self.axis, |dy| self.function.vjp(dy))?])
    }

    fn rules(&self) -> Rules<'_> {
        weighted::rules(self)
    }
}

impl weighted::Layer for Affine {
    fn bias(&self) -> Option<&Tensor> {
        self.shift.as_ref()
    }

    fn axis(&self) -> usize {
        self.axis
    }

    fn part(&self, positive: bool) -> Result<Self> {
        let scale = match &self.scale {
            Some(scale) => scale.clone(),
            None => Tensor::ones(self.channels, DType::F32, &candle_core::Device::Cpu)?,
        };
        let part = if positive { scale.relu()? } else { scale.neg()?.relu()?.neg()? };
        Self::new(Some(part), None, self.axis)
    }
}

/// x where x > 0, slope · x elsewhere, with a slope for each channel.
#[derive(Debug, Clone)]
pub struct ParametricRelu {
    function: kernels::ParametricRelu,
    channels: usize,
    axis: usize,
}

impl ParametricRelu {
    /// With slopes `[C]` along `axis`: 1 for the channels of maps, or the last.
    ///
    /// # Errors
    /// If the slopes are no vector.
    pub fn new(slope: &Tensor, axis: usize) -> Result<Self> {
        Ok(Self { function: kernels::ParametricRelu::new(slope)?, channels: slope.elem_count(), axis })
    }
}

impl Operator for ParametricRelu {
    fn kind(&self) -> Kind {
        Kind::new("parametric ReLU", Family::Rectifier)
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        check(self.axis, self.channels, inputs[0])
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.axis > 0
    }

    fn parameters(&self) -> usize {
        self.channels
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        by_channel(only(inputs)?, self.axis, |x| self.function.forward(x))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let x = at.input(0)?.clone();
        let x = if self.axis == 1 && x.shape().len() == 4 { x.into_map()? } else { x.into_rows()? };
        Ok(vec![by_channel(dy, self.axis, |dy| self.function.vjp(&x, dy))?])
    }

    fn rules(&self) -> Rules<'_> {
        // Twice the input is twice the output.
        Rules { biases: Biases::Nothing, ..Rules::POINTWISE }
    }
}
