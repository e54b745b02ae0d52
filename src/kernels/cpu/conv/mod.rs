//! Convolution: which kernel serves which shape.

mod col2im;
mod depthwise;
mod direct;
mod winograd;

use super::epilogue::{Affine, Epilogue};
use super::gemm::Panels;
use super::nhwc::Nhwc;
use crate::kernels::geometry::Window;
use candle_core::{Result, Tensor};
use std::sync::OnceLock;

/// The weights of a convolution as the CPU kernels read them. What a kernel wants is packed when it first runs.
#[derive(Debug)]
pub struct PackedConv {
    /// `[O, I/groups, kH, kW]`.
    weight: Tensor,
    groups: usize,
    affine: Option<Affine>,
    /// As each kernel's `pack` lays it out.
    depthwise: OnceLock<Vec<f32>>,
    direct: OnceLock<Panels>,
    winograd: OnceLock<Panels>,
    col2im: OnceLock<Panels>,
}

impl PackedConv {
    /// Takes `weight` `[O, I/groups, kH, kW]`, `scale` `[O]` and `bias` `[O]`.
    pub fn new(weight: &Tensor, scale: Option<&Tensor>, bias: Option<&Tensor>, groups: usize) -> Result<Self> {
        let vector = |v: Option<&Tensor>| v.map(Tensor::to_vec1::<f32>).transpose();
        Ok(Self {
            weight: weight.clone(),
            groups,
            affine: Affine::new(vector(scale)?, vector(bias)?, weight.dims()[0]),
            depthwise: OnceLock::new(),
            direct: OnceLock::new(),
            winograd: OnceLock::new(),
            col2im: OnceLock::new(),
        })
    }

    /// The layer over every image of `x`; the epilogue's affine part is this layer's own.
    pub fn apply<'a>(&'a self, x: &Nhwc, window: &Window, epilogue: Epilogue<'a>) -> Result<Nhwc> {
        let epilogue = Epilogue { affine: self.affine.as_ref(), ..epilogue };
        let [out, inputs, kh, kw] = self.dims();
        let (groups, outputs, taps) = (self.groups, out / self.groups, kh * kw);
        if groups > 1 && inputs == 1 && outputs == 1 && depthwise::serves(window) {
            let weights =
                self.packed(&self.depthwise, |w| depthwise::pack(taps, out, |tap, c| w.at(c, 0, 0, tap)))?;
            return Ok(depthwise::apply(x, weights, epilogue, window));
        }
        if col2im::serves(window, groups, outputs, epilogue.affine.is_some()) {
            let pack =
                |w: &Weight| col2im::pack(groups, [kh, kw], inputs, outputs, |g, o, i, tap| w.at(g, o, i, tap));
            return Ok(col2im::apply(x, self.packed(&self.col2im, pack)?, [groups, outputs], epilogue, window));
        }
        if groups == 1 && winograd::serves(window, x.c) {
            let kernel = |w: &Weight, o, i| std::array::from_fn(|tap| w.at(0, o, i, tap));
            let weights = self.packed(&self.winograd, |w| winograd::pack(inputs, out, |o, i| kernel(w, o, i)))?;
            return Ok(winograd::apply(x, weights, epilogue, window));
        }
        let pack = |w: &Weight| direct::pack(groups, taps, inputs, outputs, |g, o, i, tap| w.at(g, o, i, tap));
        Ok(direct::apply(x, self.packed(&self.direct, pack)?, groups, epilogue, window))
    }

    fn dims(&self) -> [usize; 4] {
        let d = self.weight.dims();
        [d[0], d[1], d[2], d[3]]
    }

    fn packed<'a, T>(&'a self, cell: &'a OnceLock<T>, pack: impl FnOnce(&Weight) -> T) -> Result<&'a T> {
        if let Some(packed) = cell.get() {
            return Ok(packed);
        }
        let [out, inputs, kh, kw] = self.dims();
        let values = self.weight.flatten_all()?.to_vec1::<f32>()?;
        let weight = Weight { values, outputs: out / self.groups, inputs, taps: kh * kw };
        // Packed before the cell is locked: while it waits for parts of that, a thread may take up work that wants this cell.
        let packed = pack(&weight);
        Ok(cell.get_or_init(|| packed))
    }
}

/// Weights as they come, and the channels of a group.
struct Weight {
    values: Vec<f32>,
    outputs: usize,
    inputs: usize,
    taps: usize,
}

impl Weight {
    /// The weight of a tap from input `i` of a group to its output `o`.
    #[inline]
    fn at(&self, group: usize, o: usize, i: usize, tap: usize) -> f32 {
        self.values[((group * self.outputs + o) * self.inputs + i) * self.taps + tap]
    }
}
