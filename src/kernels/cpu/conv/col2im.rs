//! Convolutions that are cheaper from the input's side, as a product and a "col2im": every pixel is multiplied by the whole
//! kernel, and each sum is made of the products that lead to it. So are the gradients of strided layers, where gathering
//! would multiply the zeros between the pixels of ∂y too, and those of a picture, whose few channels would leave most of
//! every vector empty.

use crate::kernels::cpu::buffer::Buffer;
use crate::kernels::cpu::epilogue::{Epilogue, OutputTile};
use crate::kernels::cpu::gemm::{Panels, Product};
use crate::kernels::cpu::nhwc::Nhwc;
use crate::kernels::cpu::output::SharedOutput;
use crate::kernels::cpu::simd::lanes;
use crate::kernels::cpu::simd::{place, vectorised};
use crate::kernels::geometry::Window;
use rayon::prelude::*;
use std::ops::Range;

/// Whether this is the cheaper way to `outputs` channels of each group, or the only one: nothing else spreads. `affine` says
/// whether they are scaled and shifted.
pub(super) fn serves(window: &Window, groups: usize, outputs: usize, affine: bool) -> bool {
    let [y, x] = [window.y, window.x];
    if y.spread > 1 || x.spread > 1 {
        return true;
    }
    let every = y.stride == 1 && x.stride == 1;
    let few = groups == 1 && !affine && outputs <= lanes() / 2 && y.kernel * x.kernel > 1;
    // Most of what a window reads is padding: the gradient of a linear layer over a whole map.
    let outgrown = 4 * y.input * x.input <= y.output * x.output;
    every && (few || outgrown)
}

/// One matrix `[I, kH·kW·O]` for each group, the kernel `weight(group, o, i, tap)` line by line.
pub(super) fn pack(
    groups: usize,
    [kh, kw]: [usize; 2],
    inputs: usize,
    outputs: usize,
    weight: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
) -> Panels {
    let (line, padded) = (kw * outputs, line_of(kw * outputs));
    // Whole vectors are written fastest.
    Panels::pack(groups, inputs, (kh * padded).next_multiple_of(lanes()), |i, column, into| {
        let (ky, at) = (column / padded, column % padded);
        for (group, into) in into.iter_mut().enumerate() {
            let there = ky < kh && at < line;
            *into = if there { weight(group, at % outputs, i, ky * kw + at / outputs) } else { 0.0 };
        }
    })
}

/// Columns for a line of the kernel: whole panels, so that it can be left out, where that costs little.
fn line_of(floats: usize) -> usize {
    let panel = 2 * lanes();
    if floats >= 4 * panel { floats.next_multiple_of(panel) } else { floats }
}

/// The layer over every image of `x`, with weights of [`pack`] for groups of `o` outputs.
pub(super) fn apply(
    x: &Nhwc,
    weights: &Panels,
    [groups, o]: [usize; 2],
    epilogue: Epilogue<'_>,
    window: &Window,
) -> Nhwc {
    assert!(window.y.stride == 1 && window.x.stride == 1, "a window spreads or strides, not both");
    assert_eq!(weights.rows() * groups, x.c, "the weights fit the channels");
    let (out_h, out_w) = (window.y.output, window.x.output);
    let mut y = Buffer::any(x.n * out_h * out_w * groups * o);
    epilogue.check(y.len(), groups * o);
    // SAFETY: each line of each group is one task's.
    let to = unsafe { SharedOutput::new(&mut y) };
    let sources = Sources::of(window, o, weights.columns());
    // What reaches into the neighbouring blocks is multiplied for each of them.
    let most = (x.n * out_h).div_ceil(2 * rayon::current_num_threads()).max(4 * window.y.extent());
    let block = out_h.div_ceil(out_h.div_ceil(most).max(1));
    let blocks = out_h.div_ceil(block.max(1));
    let layer = Layer { x, weights, window, groups, o, sources, epilogue, to };
    (0..x.n * blocks * groups).into_par_iter().for_each(|task| {
        let (image, from) = (task / groups / blocks, task / groups % blocks * block);
        layer.lines(image, from..(from + block).min(out_h), task % groups);
    });
    Nhwc::new([x.n, out_h, out_w, groups * o], y)
}

/// Where each pixel of an output line finds what the pixels of a line of products give to it.
struct Sources {
    places: Vec<usize>,
    /// The places of pixel `ox` are `starts[ox]..starts[ox + 1]`.
    starts: Vec<usize>,
}

impl Sources {
    fn of(window: &Window, o: usize, columns: usize) -> Self {
        let mut sources = Self { places: vec![], starts: vec![0] };
        for ox in 0..window.x.output {
            let places = (0..window.x.kernel).filter_map(|kx| Some(window.x.source(ox, kx)? * columns + kx * o));
            sources.places.extend(places);
            sources.starts.push(sources.places.len());
        }
        sources
    }
}

struct Layer<'a> {
    x: &'a Nhwc,
    weights: &'a Panels,
    window: &'a Window,
    groups: usize,
    /// Channels of a group's output.
    o: usize,
    sources: Sources,
    epilogue: Epilogue<'a>,
    to: SharedOutput,
}

impl Layer<'_> {
    /// Some lines of a group's output, from the products of the last few lines of its input.
    fn lines(&self, image: usize, lines: Range<usize>, group: usize) {
        let (x, axis, columns) = (self.x, &self.window.y, self.weights.columns());
        let (line, padded) = (x.w * columns, line_of(self.window.x.kernel * self.o));
        let kept = (axis.extent().div_ceil(axis.spread) + 1).min(axis.input);
        let row = self.window.x.output * self.o;
        // Vectors are read and written whole, past the last channel.
        let mut products = Buffer::any(kept * line + lanes());
        let mut sums = Buffer::any(row + lanes());
        // The line of the input whose products lie in each place.
        let mut held = vec![None; kept];
        let mut given = vec![];
        for oy in lines.clone() {
            given.clear();
            for ky in 0..axis.kernel {
                let Some(iy) = axis.source(oy, ky) else { continue };
                let place = iy % kept;
                if held[place] != Some(iy) {
                    self.multiply([image, iy, group], &lines, &mut products[place * line..][..line]);
                    held[place] = Some(iy);
                }
                given.push(place * line + ky * padded);
            }
            gather(self, &products, &given, &mut sums);
            let (pixel, sums) = ((image * axis.output + oy) * self.window.x.output, &sums[..row]);
            if self.groups == 1 && self.epilogue.affine.is_none() {
                finish(sums, self.to, pixel * self.o, &self.epilogue);
            } else {
                finish_pixels(self, sums, pixel, group);
            }
        }
    }

    /// A line of a group's input times the lines of the kernel that lead to `lines`.
    fn multiply(&self, [image, iy, group]: [usize; 3], lines: &Range<usize>, products: &mut [f32]) {
        let (x, axis, columns) = (self.x, &self.window.y, self.weights.columns());
        let padded = line_of(self.window.x.kernel * self.o);
        let mut range = [0, columns];
        if padded.is_multiple_of(self.weights.panel()) {
            let leads = |ky: &usize| lines.clone().any(|oy| axis.source(oy, *ky) == Some(iy));
            let mut kernel = (0..axis.kernel).filter(leads);
            let first = kernel.next().unwrap_or(0);
            range = [first * padded, (kernel.next_back().unwrap_or(first) + 1) * padded];
        }
        let a = &x.data()[(image * x.h + iy) * x.row()..][..x.row()];
        let a = &a[group * self.weights.rows()..];
        // SAFETY: the buffer is this task's.
        let into = unsafe { SharedOutput::new(products) };
        let (weights, matrix, epilogue) = (self.weights, group, Epilogue::default());
        let (lda, parts, rows, ldc) = (x.c, &[0], x.w, columns);
        Product { a, lda, rows, parts, weights, matrix, columns: range, channel: 0, at: 0, ldc, epilogue }.run(into);
    }
}

vectorised! {
    /// Sums what each pixel of a line is given by the lines of products that begin at `given`.
    fn gather<S>(s: S, layer: &Layer<'_>, products: &[f32], given: &[usize], sums: &mut [f32]) {
        let (o, sources) = (layer.o, &layer.sources);
        assert!(sums.len() >= layer.window.x.output * o + S::LANES, "a line fits");
        for (ox, range) in sources.starts.windows(2).enumerate() {
            let places = &sources.places[range[0]..range[1]];
            for channel in (0..o).step_by(S::LANES) {
                let mut sum = s.splat(0.0);
                for line in given {
                    // Line by line: fewer additions one after the other, less rounding.
                    let mut of_line = s.splat(0.0);
                    for at in places {
                        // SAFETY: the place is one of the products, behind which there is a vector more.
                        of_line = s.add(of_line, unsafe { s.load(place(products, line + at + channel, S::LANES)) });
                    }
                    sum = s.add(sum, of_line);
                }
                // SAFETY: as asserted; the next pixel overwrites what is too much.
                unsafe { s.store(sums.as_mut_ptr().add(ox * o + channel), sum) }
            }
        }
    }
}

vectorised! {
    /// Finishes a line of sums and writes it from `start` on.
    fn finish<S>(s: S, sums: &[f32], to: SharedOutput, start: usize, epilogue: &Epilogue<'_>) {
        for from in (0..sums.len()).step_by(S::LANES) {
            let (n, at) = ((sums.len() - from).min(S::LANES), start + from);
            // SAFETY: the line lies in the output, which `apply` has checked the epilogue against.
            unsafe {
                let v = s.load_up_to(place(sums, from, n), n);
                epilogue.write::<S, 1, 1>(s, [[v]], to, OutputTile::one(0, at, n));
            }
        }
    }
}

vectorised! {
    /// The same where channels lie apart or are scaled and shifted; the line begins at `pixel`.
    fn finish_pixels<S>(s: S, layer: &Layer<'_>, sums: &[f32], pixel: usize, group: usize) {
        let (o, apart, first) = (layer.o, layer.groups * layer.o, group * layer.o);
        for (pixel, sums) in (pixel..).zip(sums.chunks(o)) {
            for channel in (0..o).step_by(S::LANES) {
                let n = (o - channel).min(S::LANES);
                let tile = OutputTile::one(first + channel, pixel * apart + first + channel, n);
                // SAFETY: the pixel lies in the output, which `apply` has checked the epilogue against.
                unsafe {
                    let v = s.load_up_to(place(sums, channel, n), n);
                    layer.epilogue.write::<S, 1, 1>(s, [[v]], layer.to, tile);
                }
            }
        }
    }
}
