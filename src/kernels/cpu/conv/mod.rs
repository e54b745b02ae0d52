//! Convolution: which kernel serves which shape, and the general one.

mod col2im;
mod depthwise;
mod winograd;

use crate::kernels::cpu::buffer::Buffer;
use crate::kernels::cpu::epilogue::{Affine, Epilogue};
use crate::kernels::cpu::gemm::{Panels, Product};
use crate::kernels::cpu::nhwc::Nhwc;
use crate::kernels::cpu::output::Output;

use crate::kernels::geometry::Window;
use candle_core::{Result, Tensor};
use rayon::prelude::*;
use std::sync::OnceLock;

/// Floats of gathered input a block may hold: half of a small L2 cache, the other half is for weights.
const GATHERED: usize = 96 * 1024;

/// The weights of a convolution as the CPU kernels read them. What a kernel wants is packed when it first runs.
#[derive(Debug)]
pub struct PackedConv {
    /// `[O, I/groups, kH, kW]`.
    weight: Tensor,
    groups: usize,
    affine: Option<Affine>,
    /// As `depthwise::pack` lays it out.
    depthwise: OnceLock<Vec<f32>>,
    /// `[kH·kW·I, O]`.
    dense: OnceLock<Panels>,
    /// 36 × `[I, O]`.
    winograd: OnceLock<Panels>,
    /// As `col2im::pack` lays it out.
    folded: OnceLock<Panels>,
}

impl PackedConv {
    /// Takes `weight` `[O, I/groups, kH, kW]`. Grouped weights that are not depthwise become a dense kernel with zeros
    /// between the groups.
    pub fn new(weight: &Tensor, scale: Option<&Tensor>, bias: Option<&Tensor>, groups: usize) -> Result<Self> {
        let vector = |v: Option<&Tensor>| v.map(Tensor::to_vec1::<f32>).transpose();
        Ok(Self {
            weight: weight.clone(),
            groups,
            affine: Affine::new(vector(scale)?, vector(bias)?, weight.dims()[0]),
            depthwise: OnceLock::new(),
            dense: OnceLock::new(),
            winograd: OnceLock::new(),
            folded: OnceLock::new(),
        })
    }

    /// The layer over every image of `x`; the epilogue's affine part is this layer's own.
    pub fn apply<'a>(&'a self, x: &Nhwc, window: &Window, epilogue: Epilogue<'a>) -> Result<Nhwc> {
        let epilogue = Epilogue { affine: self.affine.as_ref(), ..epilogue };
        let [out, per_group, kh, kw] = self.dims();
        if self.groups > 1
            && per_group == 1
            && self.groups == out
            && kh.max(kw).max(window.x.stride) <= depthwise::LARGEST
        {
            return Ok(depthwise::apply(x, self.packed(&self.depthwise, Weight::depthwise)?, epilogue, window));
        }
        if self.affine.is_none() && col2im::serves(window, out) {
            let weights = self.packed(&self.folded, Weight::folded)?;
            return Ok(col2im::apply(x, weights, out, epilogue, window));
        }
        if winograd::serves(window, x.c) {
            let weights = self.packed(&self.winograd, |w| winograd::pack(w.inputs(), out, |o, i| w.kernel(o, i)))?;
            return Ok(winograd::apply(x, weights, epilogue, window));
        }
        Ok(dense(x, self.packed(&self.dense, Weight::dense)?, epilogue, window))
    }

    fn dims(&self) -> [usize; 4] {
        let d = self.weight.dims();
        [d[0], d[1], d[2], d[3]]
    }

    fn packed<'a, T>(&'a self, cell: &'a OnceLock<T>, pack: impl FnOnce(&Weight) -> T) -> Result<&'a T> {
        if let Some(packed) = cell.get() {
            return Ok(packed);
        }
        let values = self.weight.flatten_all()?.to_vec1::<f32>()?;
        let weight = Weight { values, dims: self.dims(), groups: self.groups };
        // Packed before the cell is locked: while it waits for parts of that, a thread may take up work that wants this cell.
        let packed = pack(&weight);
        Ok(cell.get_or_init(|| packed))
    }
}

/// Weights as they come.
struct Weight {
    values: Vec<f32>,
    dims: [usize; 4],
    groups: usize,
}

impl Weight {
    fn inputs(&self) -> usize {
        self.dims[1] * self.groups
    }

    /// Where the kernel from input `i` to output `o` starts, if there is one.
    fn start(&self, o: usize, i: usize) -> Option<usize> {
        let [out, per_group, kh, kw] = self.dims;
        let first = o / (out / self.groups) * per_group;
        (first..first + per_group).contains(&i).then(|| (o * per_group + i - first) * kh * kw)
    }

    fn kernel(&self, o: usize, i: usize) -> [f32; 9] {
        self.start(o, i).map_or([0.0; 9], |at| std::array::from_fn(|t| self.values[at + t]))
    }

    fn depthwise(&self) -> Vec<f32> {
        let [c, _, kh, kw] = self.dims;
        depthwise::pack(kh * kw, c, |tap, channel| self.values[channel * kh * kw + tap])
    }

    fn dense(&self) -> Panels {
        let ([out, _, kh, kw], inputs) = (self.dims, self.inputs());
        Panels::pack(1, kh * kw * inputs, out, |r, o, into| {
            into[0] = self.start(o, r % inputs).map_or(0.0, |at| self.values[at + r / inputs]);
        })
    }

    fn folded(&self) -> Panels {
        let [out, _, kh, kw] = self.dims;
        col2im::pack([kh, kw], self.inputs(), out, |ky, kx, i, o| {
            self.start(o, i).map_or(0.0, |at| self.values[at + ky * kw + kx])
        })
    }
}

/// A matrix product over blocks of pixels, whose input is gathered where it does not lie as the product wants it.
fn dense(x: &Nhwc, weights: &Panels, epilogue: Epilogue<'_>, window: &Window) -> Nhwc {
    let (out_h, out_w, o, k) = (window.y.output, window.x.output, weights.columns(), weights.rows());
    let pixels = x.n * out_h * out_w;
    let mut y = Buffer::any(pixels * o);
    epilogue.check(y.len(), o);
    // SAFETY: tasks write different rows or columns.
    let to = unsafe { Output::new(&mut y) };
    if !window.is_pointwise() && out_w >= WIDE {
        by_lines(x, weights, epilogue, window, to);
        return Nhwc::new([x.n, out_h, out_w, o], y);
    }
    let Parts { rows, columns } = Parts::of(pixels, k, weights, window.is_pointwise());
    let (blocks, pieces) = (pixels.div_ceil(rows), o.div_ceil(columns));
    (0..blocks * pieces).into_par_iter().for_each(|task| {
        let (first, column) = (task / pieces * rows, task % pieces * columns);
        let rows = rows.min(pixels - first);
        let gathered;
        let a = if window.is_pointwise() {
            &x.data()[first * k..(first + rows) * k]
        } else {
            gathered = gather(x, window, first, rows, k);
            &*gathered
        };
        let columns = [column, (column + columns).min(o)];
        let (at, ldc) = (first * o, o);
        Product { a, lda: k, rows, lines: [1, 0], weights, matrix: 0, columns, at, ldc, epilogue }.run(to);
    });
    Nhwc::new([x.n, out_h, out_w, o], y)
}

/// Output pixels a line from which on the product reads windows where they lie.
const WIDE: usize = 12;

/// A product for each line of the output, whose rows are the windows themselves: they overlap, one line of the kernel
/// after the other.
fn by_lines(x: &Nhwc, weights: &Panels, epilogue: Epilogue<'_>, window: &Window, to: Output) {
    let (out_h, out_w, o) = (window.y.output, window.x.output, weights.columns());
    let padded = x.padded(window);
    let lda = window.x.stride * padded.c;
    (0..x.n * out_h).into_par_iter().with_min_len(2).for_each(|line| {
        let (image, oy) = (line / out_h, line % out_h);
        let a = &padded.data()[(image * padded.h + oy * window.y.stride) * padded.row()..];
        let lines = [window.y.kernel, padded.row()];
        let (columns, at) = ([0, o], line * out_w * o);
        Product { a, lda, rows: out_w, lines, weights, matrix: 0, columns, at, ldc: o, epilogue }.run(to);
    });
}

/// The part of a product that is one task's.
struct Parts {
    rows: usize,
    columns: usize,
}

impl Parts {
    /// Rows of a block are the multiple of every tile's rows.
    const TILE: usize = 12;

    fn of(pixels: usize, k: usize, weights: &Panels, pointwise: bool) -> Self {
        let tasks = (4 * rayon::current_num_threads()).max(8);
        let o = weights.columns();
        let fits = if pointwise { usize::MAX } else { (GATHERED / k.max(1)).clamp(Self::TILE, 512) };
        let whole = pixels.next_multiple_of(Self::TILE);
        // Whichever matrix is the larger is read once; the other goes through the caches for every task.
        if o > pixels && o > weights.panel() && pixels * k <= 2 * GATHERED {
            let columns = o.div_ceil(tasks).next_multiple_of(weights.panel());
            return Self { rows: whole.min(fits.next_multiple_of(Self::TILE)), columns };
        }
        let rows = pixels.div_ceil(tasks).next_multiple_of(Self::TILE);
        Self { rows: rows.min(fits / Self::TILE * Self::TILE), columns: o.next_multiple_of(weights.panel()) }
    }
}

/// The input that output pixels from `first` on read, tap after tap, zeros where they read padding.
fn gather(x: &Nhwc, window: &Window, first: usize, rows: usize, k: usize) -> Buffer {
    let (out_h, out_w, c) = (window.y.output, window.x.output, x.c);
    let width = window.x.kernel * c;
    let mut gathered = Buffer::any(rows * k);
    for (row, p) in gathered.chunks_mut(k).zip(first..) {
        let (image, oy, ox) = (p / (out_h * out_w), p / out_w % out_h, p % out_w);
        // Taps from..to of a line lie inside the map.
        let start = (ox * window.x.stride).cast_signed() - window.x.pad;
        let from = start.min(0).unsigned_abs().min(window.x.kernel);
        let to = (x.w.cast_signed() - start).max(0).cast_unsigned().min(window.x.kernel).max(from);
        for (ky, line) in row.chunks_mut(width).enumerate() {
            let Some(iy) = window.y.source(oy, ky).filter(|_| from < to) else {
                line.fill(0.0);
                continue;
            };
            let at = ((image * x.h + iy) * x.w) * c + (start + from.cast_signed()).cast_unsigned() * c;
            line[..from * c].fill(0.0);
            line[from * c..to * c].copy_from_slice(&x.data()[at..at + (to - from) * c]);
            line[to * c..].fill(0.0);
        }
    }
    gathered
}
