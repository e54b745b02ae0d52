//! Two-dimensional convolution with frozen weights.

use super::filter::{Filter, Finish};
use super::geometry::{Window, WindowShape};
use super::rectifier::Activation;
use super::{Gate, Map, Padding};
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// How a convolution's kernel moves over its input; each pair is `[vertical, horizontal]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Pixels between a window and the next one, at least 1.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Pixels between a tap of the kernel and the next one, at least 1.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved apart from each other, at least 1.
    pub groups: usize,
}

/// Every pixel, no padding, no dilation, one group.
impl Default for ConvShape {
    fn default() -> Self {
        Self { stride: [1; 2], padding: Padding::NONE, dilation: [1; 2], groups: 1 }
    }
}

impl ConvShape {
    pub(super) fn window(&self, kernel: [usize; 2]) -> WindowShape {
        let Self { stride, padding, dilation, .. } = *self;
        WindowShape { kernel, stride, padding, dilation, ceil: false }
    }
}

/// A convolution whose weights never change, so that whatever the kernels want of them is prepared once.
#[derive(Debug)]
pub struct Conv2d {
    filter: Arc<Filter>,
    shape: ConvShape,
    once: bool,
}

impl Conv2d {
    /// A convolution with `weight` `[O, I/groups, kH, kW]` and `bias` `[O]`, both float32.
    ///
    /// # Errors
    /// If the shapes do not fit each other, or a number of the shape is out of range.
    pub fn new(weight: Tensor, bias: Option<Tensor>, shape: ConvShape) -> Result<Self> {
        Self::of(Filter::new(weight, None, bias, shape.groups)?, shape)
    }

    fn of(filter: Filter, shape: ConvShape) -> Result<Self> {
        shape.window(filter.kernel()).check()?;
        Ok(Self { filter: Arc::new(filter), shape, once: false })
    }

    /// The same convolution, with the same weights in memory, for a pass or two: kernels that first transform the weights are
    /// left out where that costs more than it saves, and rounding is that of the sums alone.
    #[must_use]
    pub fn once(&self) -> Self {
        Self { filter: self.filter.clone(), shape: self.shape, once: true }
    }

    /// Another filter used as this one is.
    fn with(&self, filter: Filter) -> Result<Self> {
        Ok(Self { once: self.once, ..Self::of(filter, self.shape)? })
    }

    /// The same convolution with each output channel multiplied by `scale` `[O]` before the bias is added: a
    /// batch-norm in evaluation mode. Folded into the weights, its rounding would be that of another network, and
    /// attributions summed along a path show it.
    ///
    /// # Errors
    /// If the scale does not fit the outputs.
    pub fn scaled(&self, scale: Tensor) -> Result<Self> {
        self.with(self.filter.scaled(scale)?)
    }

    /// A convolution of the same shape and bias whose weights are drawn from a normal distribution with the mean
    /// and the standard deviation of these.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    pub fn randomised(&self, rng: &mut impl rand::Rng) -> Result<Self> {
        self.with(self.filter.randomised(rng)?)
    }

    /// The positive part of the weights, without a bias.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    pub fn positive_part(&self) -> Result<Self> {
        self.with(self.filter.positive_part()?)
    }

    /// The negative part of the weights, without a bias.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    pub fn negative_part(&self) -> Result<Self> {
        self.with(self.filter.negative_part()?)
    }

    /// The bias `[O]`, if there is one.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.filter.bias.as_ref()
    }

    /// How the kernel moves.
    #[must_use]
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// Channels of the input.
    #[must_use]
    pub fn in_channels(&self) -> usize {
        self.filter.inputs()
    }

    /// Numbers it has learned: weights, scale and bias.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.filter.parameters()
    }

    /// Channels of the output.
    #[must_use]
    pub fn out_channels(&self) -> usize {
        self.filter.outputs()
    }

    /// Height and width of the kernel.
    #[must_use]
    pub fn kernel(&self) -> (usize, usize) {
        let [kh, kw] = self.filter.kernel();
        (kh, kw)
    }

    /// Whether each channel is convolved on its own.
    #[must_use]
    pub fn is_depthwise(&self) -> bool {
        let groups = self.shape.groups;
        groups > 1 && groups == self.in_channels() && groups == self.out_channels()
    }

    /// Multiply–accumulates of one forward pass over an input `[C, H, W]`; none if the layer does not take it.
    #[must_use]
    pub fn macs(&self, input: [usize; 3]) -> usize {
        let pixels = self.output_shape(input).map_or(0, |[_, h, w]| h * w);
        pixels.saturating_mul(self.filter.weight_count())
    }

    /// `[C, H, W]` of the output for an input `[C, H, W]`.
    ///
    /// # Errors
    /// If the input has other channels than the weights, is smaller than the kernel, or too large for any memory.
    pub fn output_shape(&self, [c, h, w]: [usize; 3]) -> Result<[usize; 3]> {
        if c != self.in_channels() {
            candle_core::bail!("a convolution of {} channels was given {c}", self.in_channels());
        }
        let window = self.window((h, w))?;
        window.fits(1, c, self.out_channels())?;
        Ok([self.out_channels(), window.y.output, window.x.output])
    }

    /// y = activation(scale · (x ∗ w) + b) of shape `[N, O, H', W']`.
    ///
    /// # Errors
    /// If the input's channels do not fit the weights or it is smaller than the kernel.
    pub fn forward(&self, x: &Map, activation: Option<Activation>) -> Result<Map> {
        self.forward_onto(x, None, activation)
    }

    /// y = activation(scale · (x ∗ w) + b + onto): a residual connection's sum in the same pass.
    ///
    /// # Errors
    /// As [`Conv2d::forward`], and if `onto` does not have the output's shape.
    pub fn forward_onto(&self, x: &Map, onto: Option<&Map>, activation: Option<Activation>) -> Result<Map> {
        let [_, c, h, w] = x.shape();
        self.output_shape([c, h, w])?;
        self.filter.apply(x, &self.window((h, w))?, Finish { once: self.once, onto, activation, gate: None })
    }

    /// ∂x of shape `[N, I, H, W]` from ∂y, for an input of height and width `input`.
    ///
    /// The gradient is itself a convolution: of ∂y, spread by the stride, with the kernel rotated by 180° and
    /// its input and output channels swapped.
    ///
    /// # Errors
    /// If ∂y does not have the shape of this layer's output.
    pub fn vjp(&self, input: (usize, usize), dy: &Map) -> Result<Map> {
        self.vjp_through(input, dy, None, None)
    }

    /// [`Conv2d::vjp`] with what else arrives at x added, and passed on through the rectifier that made x, in the same
    /// pass.
    ///
    /// # Errors
    /// If ∂y does not have the shape of this layer's output, or the others that of its input.
    pub fn vjp_through(
        &self,
        input: (usize, usize),
        dy: &Map,
        onto: Option<&Map>,
        gate: Option<Gate<'_>>,
    ) -> Result<Map> {
        let window = self.window(input)?.transposed();
        self.filter.back()?.apply(dy, &window, Finish { once: self.once, onto, activation: None, gate })
    }

    fn window(&self, input: (usize, usize)) -> Result<Window> {
        self.shape.window(self.filter.kernel()).over(input)
    }
}
