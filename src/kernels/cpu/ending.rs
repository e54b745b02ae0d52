//! What happens to a value between its sum and its place in the output, in registers.

use super::simd::{Simd, place};
use crate::kernels::{Activation, ReluRule};

/// scale · sum + bias, then the rectifier; or, on the way back, the sum of gradients and the rectifier's gate.
#[derive(Clone, Copy, Default)]
pub(in crate::kernels) struct Ending<'a> {
    /// Of the convolution: filled up to whole vectors.
    pub affine: Option<&'a Affine>,
    /// Added after the affine part; of the output's shape.
    pub add: Option<&'a [f32]>,
    pub activation: Option<Activation>,
    pub gate: Option<Gate<'a>>,
}

/// Passes a gradient on as the rectifier whose output is `y` does.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Gate<'a> {
    /// Of the output's shape.
    pub y: &'a [f32],
    pub cap: f32,
    pub rule: ReluRule,
}

/// scale · y + bias for each channel.
#[derive(Debug)]
pub(in crate::kernels) struct Affine {
    scale: Option<Vec<f32>>,
    bias: Vec<f32>,
}

/// Floats that vectors read past the last channel.
const MARGIN: usize = 32;

impl Affine {
    /// `None` where there is neither.
    pub fn new(scale: Option<Vec<f32>>, bias: Option<Vec<f32>>, channels: usize) -> Option<Self> {
        if scale.is_none() && bias.is_none() {
            return None;
        }
        let padded = |mut v: Vec<f32>| {
            v.resize(channels + MARGIN, 0.0);
            v
        };
        Some(Self { scale: scale.map(padded), bias: padded(bias.unwrap_or_default()) })
    }
}

impl Ending<'_> {
    /// Checks once what [`Self::apply`] relies on.
    ///
    /// # Panics
    /// If a map does not have `len` elements or the affine part not `channels` channels.
    pub(super) fn check(&self, len: usize, channels: usize) {
        assert!(self.affine.is_none_or(|a| a.bias.len() == channels + MARGIN), "a bias must fit the channels");
        assert!(self.add.is_none_or(|a| a.len() == len), "maps that are added must fit");
        assert!(self.gate.is_none_or(|g| g.y.len() == len), "a gate must fit");
    }

    /// `n` values of the channels from `channel` on, which end up at `at` in the output.
    ///
    /// # Safety
    /// [`Self::check`] has passed for an output in which `at + n` and `channel + n` lie.
    #[inline(always)]
    pub(super) unsafe fn apply<S: Simd>(&self, mut v: S::V, channel: usize, at: usize, n: usize) -> S::V {
        // SAFETY: the affine part has a vector's margin; the rest is as long as the output.
        unsafe {
            if let Some(affine) = self.affine {
                let bias = S::load(place(&affine.bias, channel, S::LANES));
                v = match &affine.scale {
                    Some(scale) => S::add(S::mul(v, S::load(place(scale, channel, S::LANES))), bias),
                    None => S::add(v, bias),
                };
            }
            if let Some(add) = self.add {
                v = S::add(v, S::load_up_to(place(add, at, n), n));
            }
            if let Some(activation) = self.activation {
                v = S::clamp(v, S::splat(0.0), S::splat(activation.cap()));
            }
            if let Some(gate) = &self.gate {
                v = gate.pass::<S>(v, S::load_up_to(place(gate.y, at, n), n));
            }
        }
        v
    }

    /// Asks for what [`Self::apply`] will read at `at`, while there is other work to do.
    #[inline(always)]
    pub(super) fn prefetch<S: Simd>(&self, at: usize) {
        if let Some(gate) = &self.gate {
            S::prefetch(gate.y.as_ptr().wrapping_add(at));
        }
        if let Some(add) = self.add {
            S::prefetch(add.as_ptr().wrapping_add(at));
        }
    }

    /// Whether [`Self::apply`] changes anything.
    pub(super) fn is_nothing(&self) -> bool {
        self.affine.is_none() && self.add.is_none() && self.activation.is_none() && self.gate.is_none()
    }
}

impl Gate<'_> {
    #[inline(always)]
    pub(super) fn pass<S: Simd>(&self, g: S::V, y: S::V) -> S::V {
        match self.rule {
            ReluRule::Standard => S::gate(g, y, S::splat(self.cap)),
            ReluRule::Guided => S::gate(S::positive(g), y, S::splat(self.cap)),
            ReluRule::Deconvnet => S::positive(g),
        }
    }
}
