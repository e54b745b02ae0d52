//! Convolution: which kernel serves which shape.

mod col2im;
mod depthwise;
mod direct;
mod winograd;

use super::epilogue::{Affine, Epilogue};
use super::gemm::Panels;
use super::nhwc::Nhwc;
use crate::kernels::geometry::Window;
use candle_core::{Device, Result, Storage, Tensor};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The weights of a convolution as the CPU kernels read them. What a kernel wants is packed when it first runs; as they came
/// they are kept only until they can be had from that.
#[derive(Debug)]
pub struct PackedConv {
    /// `[O, I/groups, kH, kW]`.
    dims: [usize; 4],
    groups: usize,
    affine: Option<Affine>,
    /// As they came.
    original: Mutex<Option<Tensor>>,
    /// As each kernel's `pack` lays it out.
    depthwise: OnceLock<Vec<f32>>,
    direct: OnceLock<Panels>,
    winograd: OnceLock<Panels>,
    col2im: OnceLock<Panels>,
}

impl PackedConv {
    /// Takes `weight` `[O, I/groups, kH, kW]`, `scale` `[O]` and `bias` `[O]`.
    pub fn new(weight: Tensor, scale: Option<&Tensor>, bias: Option<&Tensor>, groups: usize) -> Result<Self> {
        let (out, inputs, kh, kw) = weight.dims4()?;
        // Kernels here are not for what lies elsewhere.
        let here = weight.device().is_cpu();
        let vector = |v: Option<&Tensor>| v.filter(|_| here).map(Tensor::to_vec1::<f32>).transpose();
        Ok(Self {
            dims: [out, inputs, kh, kw],
            groups,
            affine: Affine::new(vector(scale)?, vector(bias)?, out),
            original: Mutex::new(Some(weight)),
            depthwise: OnceLock::new(),
            direct: OnceLock::new(),
            winograd: OnceLock::new(),
            col2im: OnceLock::new(),
        })
    }

    /// `[O, I/groups, kH, kW]`.
    pub fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The weights as they came.
    pub fn weight(&self) -> Result<Tensor> {
        if let Some(weight) = &*self.original() {
            return Ok(weight.clone());
        }
        let ([out, inputs, kh, kw], taps) = (self.dims, self.dims[2] * self.dims[3]);
        let outputs = out / self.groups;
        let direct = self.direct.get().map(|panels| direct::unpack(panels, inputs));
        let depthwise = self.depthwise.get().map(|packed| depthwise::unpack(packed, taps));
        let mut values = Vec::with_capacity(out * inputs * taps);
        for (group, o, i, tap) in (0..out)
            .flat_map(|o| (0..inputs).flat_map(move |i| (0..taps).map(move |tap| (o / outputs, o % outputs, i, tap))))
        {
            values.push(match (&direct, &depthwise) {
                (Some(direct), _) => direct(group, o, i, tap),
                (None, Some(depthwise)) => depthwise(tap, group),
                (None, None) => candle_core::bail!("weights are kept in one form or another"),
            });
        }
        Tensor::from_vec(values, (out, inputs, kh, kw), &Device::Cpu)
    }

    fn original(&self) -> MutexGuard<'_, Option<Tensor>> {
        self.original.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The layer over every image of `x`; the epilogue's affine part is this layer's own. `once` says that weights are not
    /// used often enough for a transform of them to pay.
    pub fn apply<'a>(&'a self, x: &Nhwc, window: &Window, epilogue: Epilogue<'a>, once: bool) -> Result<Nhwc> {
        let epilogue = Epilogue { affine: self.affine.as_ref(), ..epilogue };
        let [out, inputs, kh, kw] = self.dims;
        let (groups, outputs, taps) = (self.groups, out / self.groups, kh * kw);
        if groups > 1 && inputs == 1 && outputs == 1 && depthwise::serves(window) {
            let pack = |w: &Weight| depthwise::pack(taps, out, |tap, c| w.at(c, 0, 0, tap));
            let weights = self.packed(&self.depthwise, pack, Keep::Packed)?;
            return Ok(depthwise::apply(x, weights, epilogue, window));
        }
        if col2im::serves(window, groups, outputs, epilogue.affine.is_some()) {
            let pack =
                |w: &Weight| col2im::pack(groups, [kh, kw], inputs, outputs, |g, o, i, tap| w.at(g, o, i, tap));
            let weights = self.packed(&self.col2im, pack, Keep::Both)?;
            return Ok(col2im::apply(x, weights, [groups, outputs], epilogue, window));
        }
        if groups == 1 && winograd::serves(window, x.c, once) {
            let kernel = |w: &Weight, o, i| std::array::from_fn(|tap| w.at(0, o, i, tap));
            let pack = |w: &Weight| winograd::pack(inputs, out, |o, i| kernel(w, o, i));
            let weights = self.packed(&self.winograd, pack, Keep::Both)?;
            return Ok(winograd::apply(x, weights, epilogue, window));
        }
        let pack = |w: &Weight| direct::pack(groups, taps, inputs, outputs, |g, o, i, tap| w.at(g, o, i, tap));
        Ok(direct::apply(x, self.packed(&self.direct, pack, Keep::Packed)?, groups, epilogue, window))
    }

    fn packed<'a, T>(&'a self, cell: &'a OnceLock<T>, pack: impl FnOnce(&Weight) -> T, keep: Keep) -> Result<&'a T> {
        if let Some(packed) = cell.get() {
            return Ok(packed);
        }
        let [out, inputs, kh, kw] = self.dims;
        let weight = self.weight()?.contiguous()?;
        let (storage, layout) = weight.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { candle_core::bail!("weights for the CPU lie on the CPU") };
        let values = &storage.as_slice::<f32>()?[layout.start_offset()..];
        let weight = Weight { values, outputs: out / self.groups, inputs, taps: kh * kw };
        // Packed before the cell is locked: while it waits for parts of that, a thread may take up work that wants this cell.
        let packed = pack(&weight);
        let packed = cell.get_or_init(|| packed);
        if keep == Keep::Packed {
            *self.original() = None;
        }
        Ok(packed)
    }
}

/// What is kept of weights once they are packed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// What was packed: the same numbers elsewhere.
    Packed,
    /// The original, too, since what was packed are other numbers.
    Both,
}

/// Weights as they come, and the channels of a group.
struct Weight<'a> {
    values: &'a [f32],
    outputs: usize,
    inputs: usize,
    taps: usize,
}

impl Weight<'_> {
    /// The weight of a tap from input `i` of a group to its output `o`.
    #[inline]
    fn at(&self, group: usize, o: usize, i: usize, tap: usize) -> f32 {
        self.values[((group * self.outputs + o) * self.inputs + i) * self.taps + tap]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ConvShape;
    use candle_core::DType;

    #[test]
    fn weights_come_back_out_of_what_was_packed() -> Result<()> {
        for (shape, groups) in [([40, 3, 2, 3], 1), ([6, 2, 1, 1], 3), ([37, 1, 3, 3], 37), ([12, 5, 3, 3], 4)] {
            let [out, inputs, kh, kw] = shape;
            let values: Vec<f32> = (0..shape.iter().product()).map(|i: usize| i as f32 - 7.5).collect();
            let weight = Tensor::from_vec(values.clone(), (out, inputs, kh, kw), &Device::Cpu)?;
            let packed = PackedConv::new(weight, None, None, groups)?;
            let x = Nhwc::from_tensor(&Tensor::ones((1, inputs * groups, 9, 9), DType::F32, &Device::Cpu)?)?;
            let window = ConvShape { groups, ..ConvShape::default() }.window([kh, kw]).over((9, 9))?;
            packed.apply(&x, &window, Epilogue::default(), false)?;
            assert!(packed.original().is_none(), "{shape:?} is kept once");
            assert_eq!(packed.weight()?.flatten_all()?.to_vec1::<f32>()?, values, "{shape:?}");
        }
        Ok(())
    }
}
