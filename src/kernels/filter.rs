//! Frozen weights slid over a map: what convolutions, their gradients and transposed convolutions are made of.

use super::geometry::Window;
use super::rectifier::Activation;
use super::{Gate, Map, candle_ops, cpu};
use candle_core::{Result, Tensor};
use rand_distr::{Distribution, StandardNormal};
use std::sync::OnceLock;

/// Weights `[O, I/groups, kH, kW]`, kept as the kernels want them, with a scale and a bias `[O]`.
#[derive(Debug)]
pub(super) struct Filter {
    packed: cpu::PackedConv,
    /// Multiplies each output channel before the bias is added.
    pub scale: Option<Tensor>,
    pub bias: Option<Tensor>,
    pub groups: usize,
    /// Carries gradients back.
    back: OnceLock<Box<Self>>,
}

/// How a filter is used, and what is done to its sums: `onto` is added, then the rectifier or, on the way back, its gate.
#[derive(Clone, Copy, Default)]
pub(super) struct Finish<'a> {
    /// The weights are not used often enough for a transform of them to pay.
    pub once: bool,
    pub onto: Option<&'a Map>,
    pub activation: Option<Activation>,
    pub gate: Option<Gate<'a>>,
}

impl Filter {
    /// # Errors
    /// If the shapes do not fit each other.
    pub fn new(weight: Tensor, scale: Option<Tensor>, bias: Option<Tensor>, groups: usize) -> Result<Self> {
        let (out, per_group, kh, kw) = weight.dims4()?;
        if groups == 0 || !out.is_multiple_of(groups) || out * per_group * kh * kw == 0 {
            candle_core::bail!("weights of shape {:?} cannot be a convolution of {groups} groups", weight.shape());
        }
        for (name, vector) in [("scale", &scale), ("bias", &bias)] {
            if let Some(vector) = vector
                && vector.dims1()? != out
            {
                candle_core::bail!("a {name} of shape {:?} does not fit {out} outputs", vector.shape());
            }
        }
        let packed = cpu::PackedConv::new(weight, scale.as_ref(), bias.as_ref(), groups)?;
        Ok(Self { packed, scale, bias, groups, back: OnceLock::new() })
    }

    /// The weights `[O, I/groups, kH, kW]`.
    fn weight(&self) -> Result<Tensor> {
        self.packed.weight()
    }

    /// How many weights there are.
    pub fn weight_count(&self) -> usize {
        self.packed.dims().iter().product()
    }

    /// Numbers that were learned: weights, scale and bias.
    pub fn parameters(&self) -> usize {
        let vectors = [self.scale.as_ref(), self.bias.as_ref()];
        self.weight_count() + vectors.into_iter().flatten().map(Tensor::elem_count).sum::<usize>()
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.packed.dims()[0]
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.packed.dims()[1] * self.groups
    }

    /// Height and width of the kernel.
    pub fn kernel(&self) -> [usize; 2] {
        let [_, _, height, width] = self.packed.dims();
        [height, width]
    }

    /// The weights with the scale folded in.
    fn effective(&self) -> Result<Tensor> {
        match &self.scale {
            Some(scale) => self.weight()?.broadcast_mul(&scale.reshape(((), 1, 1, 1))?),
            None => self.weight(),
        }
    }

    /// With each output channel multiplied by `scale` `[O]` before the bias is added.
    pub fn scaled(&self, scale: Tensor) -> Result<Self> {
        Self::new(self.weight()?, Some(scale), self.bias.clone(), self.groups)
    }

    /// With the same bias, and weights drawn from a normal distribution of the same mean and standard deviation.
    pub fn randomised(&self, rng: &mut impl rand::Rng) -> Result<Self> {
        let old = self.effective()?;
        let (shape, device) = (old.shape().clone(), old.device().clone());
        let old = old.flatten_all()?.to_vec1::<f32>()?;
        let count = old.len() as f64;
        let mean = old.iter().map(|w| f64::from(*w)).sum::<f64>() / count;
        let variance = old.iter().map(|w| (f64::from(*w) - mean).powi(2)).sum::<f64>() / count;
        let normal = StandardNormal.sample_iter(rng).take(old.len());
        let new: Vec<f32> = normal.map(|z: f64| (mean + z * variance.sqrt()) as f32).collect();
        let weight = Tensor::from_vec(new, shape, &device)?;
        Self::new(weight, None, self.bias.clone(), self.groups)
    }

    /// The positive part of the weights, without a bias.
    pub fn positive_part(&self) -> Result<Self> {
        Self::new(self.effective()?.relu()?, None, None, self.groups)
    }

    /// The negative part of the weights, without a bias.
    pub fn negative_part(&self) -> Result<Self> {
        Self::new(self.effective()?.neg()?.relu()?.neg()?, None, None, self.groups)
    }

    /// The filter that carries gradients back: rotated by 180°, input and output channels swapped within each group.
    pub fn back(&self) -> Result<&Self> {
        if let Some(back) = self.back.get() {
            return Ok(back);
        }
        let back = Self::new(transposed_kernel(&self.effective()?, self.groups)?, None, None, self.groups)?;
        Ok(self.back.get_or_init(|| Box::new(back)))
    }

    /// scale · (x ∗ w) + bias over `window`, finished.
    ///
    /// # Errors
    /// If a map does not have the shape that the filter and the window ask for.
    pub fn apply(&self, x: &Map, window: &Window, finish: Finish<'_>) -> Result<Map> {
        let n = x.shape()[0];
        x.must_be([n, self.inputs(), window.y.input, window.x.input])?;
        window.fits(n, self.inputs(), self.outputs())?;
        let Finish { once, onto, activation, gate } = finish;
        for map in onto.into_iter().chain(gate.map(|g| g.y)) {
            map.must_be([n, self.outputs(), window.y.output, window.x.output])?;
        }
        match x {
            Map::Cpu(x) => {
                let add = onto.map(Map::cpu).transpose()?.map(cpu::Nhwc::data);
                let gate = gate.map(Gate::cpu).transpose()?;
                let epilogue = cpu::Epilogue { add, activation, gate, ..cpu::Epilogue::default() };
                Ok(Map::Cpu(self.packed.apply(x, window, epilogue, once)?))
            }
            Map::Candle(x) => {
                let y = candle_ops::conv2d(x, &self.weight()?, window, self.groups)?;
                let y = Map::Candle(candle_ops::scale_and_shift(y, self.scale.as_ref(), self.bias.as_ref())?);
                let y = match onto {
                    Some(onto) => y.accumulate(onto)?,
                    None => y,
                };
                let y = match activation {
                    Some(activation) => activation.forward(y)?,
                    None => y,
                };
                match gate {
                    Some(gate) => gate.activation.vjp(gate.y, y, gate.rule),
                    None => Ok(y),
                }
            }
        }
    }
}

/// Rotated by 180°, input and output channels swapped within each group.
pub(super) fn transposed_kernel(weight: &Tensor, groups: usize) -> Result<Tensor> {
    let (out, per_group, kh, kw) = weight.dims4()?;
    weight.reshape((groups, out / groups, per_group, kh * kw))?.flip(&[3])?.transpose(1, 2)?.contiguous()?.reshape((
        groups * per_group,
        out / groups,
        kh,
        kw,
    ))
}
