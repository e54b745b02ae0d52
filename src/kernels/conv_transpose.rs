//! Transposed convolution with frozen weights: a convolution's gradient run forwards.

use super::conv::ConvShape;
use super::filter::{Filter, Finish, transposed_kernel};
use super::geometry::Window;
use super::rectifier::Activation;
use super::{Gate, Map, Padding};
use candle_core::{Result, Tensor};

/// A transposed convolution ("deconvolution") whose weights never change: each input pixel adds the kernel, weighted by
/// it, to the output, `stride` pixels on from its neighbour. Its padding is cut off the output.
#[derive(Debug)]
pub struct ConvTranspose2d {
    filter: Filter,
    shape: ConvShape,
    output_padding: [usize; 2],
}

impl ConvTranspose2d {
    /// A transposed convolution with `weight` `[I, O/groups, kH, kW]` and `bias` `[O]`, both float32, laid out as in PyTorch
    /// and ONNX. `output_padding` `[vertical, horizontal]` makes the output longer at the bottom and the right.
    ///
    /// With a SAME padding the output is the input times the stride.
    ///
    /// # Errors
    /// If the shapes do not fit each other, a number of the shape is out of range, or `output_padding` is not smaller than
    /// the larger of stride and dilation, as PyTorch asks, or comes with a SAME padding.
    pub fn new(weight: &Tensor, bias: Option<Tensor>, shape: ConvShape, output_padding: [usize; 2]) -> Result<Self> {
        let (inputs, _, _, _) = weight.dims4()?;
        if shape.groups == 0 || !inputs.is_multiple_of(shape.groups) {
            candle_core::bail!("a transposed convolution of {inputs} inputs cannot have {} groups", shape.groups);
        }
        let filter = Filter::new(transposed_kernel(weight, shape.groups)?, None, bias, shape.groups)?;
        Self::of(filter, shape, output_padding)
    }

    fn of(filter: Filter, shape: ConvShape, output_padding: [usize; 2]) -> Result<Self> {
        shape.window(filter.kernel()).check()?;
        for (axis, pad) in output_padding.into_iter().enumerate() {
            let most = shape.stride[axis].max(shape.dilation[axis]);
            if pad >= most {
                candle_core::bail!(
                    "an output padding of {pad} pixels is not smaller than a stride or dilation of {most}"
                );
            }
            if pad > 0 && !matches!(shape.padding, Padding::Explicit(_)) {
                candle_core::bail!("a SAME padding leaves no room for an output padding, give explicit paddings");
            }
        }
        Ok(Self { filter, shape, output_padding })
    }

    fn with(&self, filter: Filter) -> Result<Self> {
        Self::of(filter, self.shape, self.output_padding)
    }

    /// The same with each output channel multiplied by `scale` `[O]` before the bias is added, as
    /// [`Conv2d::scaled`](super::Conv2d::scaled).
    ///
    /// # Errors
    /// If the scale does not fit the outputs.
    pub fn scaled(self, scale: Tensor) -> Result<Self> {
        Self::of(self.filter.scaled(scale)?, self.shape, self.output_padding)
    }

    /// One of the same shape and bias whose weights are drawn from a normal distribution with the mean and the standard
    /// deviation of these.
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

    /// Numbers it has learned: weights, scale and bias.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.filter.parameters()
    }

    /// Channels of the input.
    #[must_use]
    pub fn in_channels(&self) -> usize {
        self.filter.inputs()
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

    /// Multiply–accumulates of one forward pass over an input `[C, H, W]`.
    #[must_use]
    pub fn macs(&self, [_, h, w]: [usize; 3]) -> usize {
        h.saturating_mul(w).saturating_mul(self.filter.weight_count())
    }

    /// `[C, H, W]` of the output for an input `[C, H, W]`.
    ///
    /// # Errors
    /// If the input has other channels than the weights, nothing is left of the output between its paddings, or it is too
    /// large for any memory.
    pub fn output_shape(&self, [c, h, w]: [usize; 3]) -> Result<[usize; 3]> {
        if c != self.in_channels() {
            candle_core::bail!("a transposed convolution of {} channels was given {c}", self.in_channels());
        }
        let window = self.window((h, w))?.transposed();
        window.fits(1, c, self.out_channels())?;
        Ok([self.out_channels(), window.y.output, window.x.output])
    }

    /// y = activation(scale · (x ∗ᵀ w) + b) of shape `[N, O, H', W']`.
    ///
    /// # Errors
    /// If the input's channels do not fit the weights or nothing is left of the output.
    pub fn forward(&self, x: &Map, activation: Option<Activation>) -> Result<Map> {
        self.forward_onto(x, None, activation)
    }

    /// y = activation(scale · (x ∗ᵀ w) + b + onto).
    ///
    /// # Errors
    /// As [`ConvTranspose2d::forward`], and if `onto` does not have the output's shape.
    pub fn forward_onto(&self, x: &Map, onto: Option<&Map>, activation: Option<Activation>) -> Result<Map> {
        let [_, c, h, w] = x.shape();
        self.output_shape([c, h, w])?;
        let window = self.window((h, w))?.transposed();
        self.filter.apply(x, &window, Finish { onto, activation, gate: None, ..Finish::default() })
    }

    /// ∂x of shape `[N, I, H, W]` from ∂y, for an input of height and width `input`: the convolution that this is the
    /// transpose of.
    ///
    /// # Errors
    /// If ∂y does not have the shape of this layer's output.
    pub fn vjp(&self, input: (usize, usize), dy: &Map) -> Result<Map> {
        self.vjp_through(input, dy, None, None)
    }

    /// [`ConvTranspose2d::vjp`] with what else arrives at x added, and passed on through the rectifier that made x, in the
    /// same pass.
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
        self.filter.back()?.apply(
            dy,
            &self.window(input)?,
            Finish { onto, activation: None, gate, ..Finish::default() },
        )
    }

    /// The window of the convolution from the output to the input, which has this height and width.
    fn window(&self, input: (usize, usize)) -> Result<Window> {
        let shape = self.shape.window(self.filter.kernel());
        let y = shape.reversed(0, input.0, self.output_padding[0])?;
        Ok(Window { y, x: shape.reversed(1, input.1, self.output_padding[1])? })
    }
}
