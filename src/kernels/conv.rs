//! Two-dimensional convolution with frozen weights.

use super::geometry::Window;
use super::{Activation, Gate, Map, Padding, candle_ops, cpu};
use candle_core::{Device, Result, Tensor};
use rand_distr::{Distribution, StandardNormal};
use std::sync::OnceLock;

/// A convolution whose weights never change, so that whatever the kernels want of them is prepared once.
#[derive(Debug)]
pub struct Conv2d {
    pub(super) weight: Tensor,
    /// Multiplies each output channel before the bias is added.
    scale: Option<Tensor>,
    pub(super) bias: Option<Tensor>,
    pub(super) stride: usize,
    pub(super) padding: Padding,
    pub(super) groups: usize,
    in_channels: usize,
    packed: OnceLock<cpu::PackedConv>,
    packed_transposed: OnceLock<cpu::PackedConv>,
    transposed: OnceLock<Tensor>,
}

impl Conv2d {
    /// A convolution with `weight` `[O, I/groups, kH, kW]` and `bias` `[O]`, both float32.
    ///
    /// # Errors
    /// If the shapes do not fit each other.
    pub fn new(weight: Tensor, bias: Option<Tensor>, stride: usize, padding: Padding, groups: usize) -> Result<Self> {
        let (out, per_group, _, _) = weight.dims4()?;
        if stride == 0 || groups == 0 || out % groups != 0 {
            candle_core::bail!("a convolution of {out} outputs cannot have stride {stride} and {groups} groups");
        }
        if let Some(bias) = &bias
            && bias.dims1()? != out
        {
            candle_core::bail!("a bias of shape {:?} does not fit {out} outputs", bias.shape());
        }
        Ok(Self {
            weight,
            scale: None,
            bias,
            stride,
            padding,
            groups,
            in_channels: per_group * groups,
            packed: OnceLock::new(),
            packed_transposed: OnceLock::new(),
            transposed: OnceLock::new(),
        })
    }

    /// The same convolution with each output channel multiplied by `scale` `[O]` before the bias is added: a
    /// batch-norm in evaluation mode. Folded into the weights, its rounding would be that of another network, and
    /// attributions summed along a path show it.
    ///
    /// # Errors
    /// If the scale does not fit the outputs.
    pub fn scaled(mut self, scale: Tensor) -> Result<Self> {
        if scale.dims1()? != self.out_channels() {
            candle_core::bail!("a scale of shape {:?} does not fit {} outputs", scale.shape(), self.out_channels());
        }
        self.scale = Some(scale);
        Ok(self)
    }

    /// The weights with the scale folded in.
    fn effective(&self) -> Result<Tensor> {
        match &self.scale {
            Some(scale) => self.weight.broadcast_mul(&scale.reshape(((), 1, 1, 1))?),
            None => Ok(self.weight.clone()),
        }
    }

    /// A convolution of the same shape and bias whose weights are drawn from a normal distribution with the mean
    /// and the standard deviation of these.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    pub fn randomised(&self, rng: &mut impl rand::Rng) -> Result<Self> {
        let old = self.effective()?.flatten_all()?.to_vec1::<f32>()?;
        let count = old.len() as f64;
        let mean = old.iter().map(|w| f64::from(*w)).sum::<f64>() / count;
        let variance = old.iter().map(|w| (f64::from(*w) - mean).powi(2)).sum::<f64>() / count;
        let normal = StandardNormal.sample_iter(rng).take(old.len());
        let new: Vec<f32> = normal.map(|z: f64| (mean + z * variance.sqrt()) as f32).collect();
        self.with_weights(Tensor::from_vec(new, self.weight.shape(), self.weight.device())?, self.bias.clone())
    }

    /// The positive part of the weights, without a bias.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    pub fn positive_part(&self) -> Result<Self> {
        self.with_weights(self.effective()?.relu()?, None)
    }

    /// The negative part of the weights, without a bias.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    pub fn negative_part(&self) -> Result<Self> {
        self.with_weights(self.effective()?.neg()?.relu()?.neg()?, None)
    }

    fn with_weights(&self, weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        Self::new(weight, bias, self.stride, self.padding, self.groups)
    }

    /// The bias `[O]`, if there is one.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Channels of the output.
    #[must_use]
    pub fn out_channels(&self) -> usize {
        self.weight.dims()[0]
    }

    /// Height and width of the kernel.
    #[must_use]
    pub fn kernel(&self) -> (usize, usize) {
        (self.weight.dims()[2], self.weight.dims()[3])
    }

    /// Whether each channel is convolved on its own.
    #[must_use]
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.in_channels && self.out_channels() == self.in_channels
    }

    /// Multiply–accumulates of one forward pass over an input `[C, H, W]`.
    #[must_use]
    pub fn macs(&self, [_, h, w]: [usize; 3]) -> usize {
        let window = self.window((h, w));
        window.y.output * window.x.output * self.weight.elem_count()
    }

    /// `[C, H, W]` of the output for an input `[C, H, W]`.
    ///
    /// # Errors
    /// If the input has other channels than the weights, or is smaller than the kernel.
    pub fn output_shape(&self, [c, h, w]: [usize; 3]) -> Result<[usize; 3]> {
        if c != self.in_channels {
            candle_core::bail!("a convolution of {} channels was given {c}", self.in_channels);
        }
        let window = self.window((h, w));
        if window.y.output == 0 || window.x.output == 0 {
            candle_core::bail!("an input of {w}×{h} pixels is smaller than a {:?} kernel", self.kernel());
        }
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
        let [n, c, h, w] = x.shape();
        let [o, out_h, out_w] = self.output_shape([c, h, w])?;
        if let Some(onto) = onto {
            onto.must_be([n, o, out_h, out_w])?;
        }
        let window = self.window((h, w));
        match x {
            Map::Cpu(x) => {
                let add = onto.map(Map::cpu).transpose()?.map(cpu::Nhwc::data);
                let epilogue = cpu::Epilogue { add, activation, ..cpu::Epilogue::default() };
                Ok(Map::Cpu(self.packed()?.apply(x, &window, epilogue)?))
            }
            Map::Candle(x) => {
                let y = candle_ops::conv2d(x, &self.weight, &window, self.groups)?;
                let mut y = candle_ops::scale_and_shift(y, self.scale.as_ref(), self.bias.as_ref())?;
                if let Some(onto) = onto {
                    y = (y + onto.candle()?)?;
                }
                Ok(Map::Candle(match activation {
                    Some(activation) => candle_ops::clamp(&y, activation)?,
                    None => y,
                }))
            }
        }
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
        let window = self.window(input);
        let [n, c, h, w] = dy.shape();
        if [c, h, w] != [self.out_channels(), window.y.output, window.x.output] {
            candle_core::bail!("a gradient of shape {:?} does not fit the layer's output", dy.shape());
        }
        for map in onto.into_iter().chain(gate.map(|g| g.y)) {
            map.must_be([n, self.in_channels, input.0, input.1])?;
        }
        let window = window.transposed();
        match dy {
            Map::Cpu(dy) => {
                let add = onto.map(Map::cpu).transpose()?.map(cpu::Nhwc::data);
                let gate = gate.map(super::activation::Gate::cpu).transpose()?;
                let epilogue = cpu::Epilogue { add, gate, ..cpu::Epilogue::default() };
                Ok(Map::Cpu(self.packed_transposed()?.apply(dy, &window, epilogue)?))
            }
            Map::Candle(dy) => {
                let weight = self.transposed(dy.device())?;
                let mut dx = candle_ops::conv2d(dy, weight, &window, self.groups)?;
                if let Some(onto) = onto {
                    dx = (dx + onto.candle()?)?;
                }
                match gate {
                    Some(gate) => gate.activation.vjp(gate.y, Map::Candle(dx), gate.rule),
                    None => Ok(Map::Candle(dx)),
                }
            }
        }
    }

    fn window(&self, input: (usize, usize)) -> Window {
        Window::forward(input, self.kernel(), self.stride, self.padding, false)
    }

    fn packed(&self) -> Result<&cpu::PackedConv> {
        cached(&self.packed, || {
            cpu::PackedConv::new(&self.weight, self.scale.as_ref(), self.bias.as_ref(), self.groups)
        })
    }

    fn packed_transposed(&self) -> Result<&cpu::PackedConv> {
        cached(&self.packed_transposed, || {
            cpu::PackedConv::new(self.transposed(&Device::Cpu)?, None, None, self.groups)
        })
    }

    fn transposed(&self, device: &Device) -> Result<&Tensor> {
        cached(&self.transposed, || candle_ops::transposed_kernel(&self.effective()?, self.groups)?.to_device(device))
    }
}

fn cached<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}
