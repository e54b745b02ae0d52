//! The channels-last buffer.

use super::buffer::Buffer;
use crate::kernels::geometry::{Axis, Window};
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Side of the square blocks in which layouts are transposed, in elements: two blocks stay in the L1 cache.
const TILE: usize = 32;
/// Elements a task moves at least.
const TASK: usize = 16 * 1024;

/// A feature map in main memory: `[N, H, W, C]`, float32, channels contiguous. Cloning shares the data.
#[derive(Debug, Clone)]
pub struct Nhwc {
    pub(in crate::kernels) n: usize,
    pub(in crate::kernels) h: usize,
    pub(in crate::kernels) w: usize,
    pub(in crate::kernels) c: usize,
    data: Arc<Buffer>,
}

impl Nhwc {
    pub(super) fn new([n, h, w, c]: [usize; 4], data: Buffer) -> Self {
        let count = [h, w, c].iter().try_fold(n, |count, side| count.checked_mul(*side));
        assert_eq!(Some(data.len()), count, "a buffer must hold exactly its map");
        Self { n, h, w, c, data: Arc::new(data) }
    }

    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let (n, c, h, w) = tensor.dims4()?;
        let data = with_values(tensor, |source| {
            let mut data = Buffer::any(source.len());
            if h * w * c > 0 {
                for (from, to) in source.chunks(c * h * w).zip(data.chunks_mut(c * h * w)) {
                    transpose(from, to, c, h * w);
                }
            }
            data
        })?;
        Ok(Self::new([n, h, w, c], data))
    }

    pub fn from_channels_last(tensor: &Tensor) -> Result<Self> {
        let (n, h, w, c) = tensor.dims4()?;
        Ok(Self::new([n, h, w, c], with_values(tensor, Buffer::from_slice)?))
    }

    pub fn to_channels_last(&self) -> Result<Tensor> {
        Tensor::from_slice(&self.data, (self.n, self.h, self.w, self.c), &Device::Cpu)
    }

    /// The same pixels as other maps.
    pub fn with_pixels(mut self, [n, h, w]: [usize; 3]) -> Self {
        assert_eq!(n * h * w, self.n * self.h * self.w, "as many pixels as before");
        (self.n, self.h, self.w) = (n, h, w);
        self
    }

    pub fn to_tensor(&self) -> Result<Tensor> {
        let (n, h, w, c) = (self.n, self.h, self.w, self.c);
        let mut data = vec![0.0; self.data.len()];
        if h * w * c > 0 {
            for (from, to) in self.data.chunks(c * h * w).zip(data.chunks_mut(c * h * w)) {
                transpose(from, to, h * w, c);
            }
        }
        Tensor::from_vec(data, (n, c, h, w), &Device::Cpu)
    }

    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Elements of one row of pixels.
    pub fn row(&self) -> usize {
        self.w * self.c
    }

    /// The buffer to write in; copied first if another map shares it.
    pub fn make_mut(&mut self) -> Elements<'_> {
        Elements(&mut *Arc::make_mut(&mut self.data))
    }

    pub fn same_shape(&self, other: &Self) -> Result<()> {
        let shape = |m: &Self| [m.n, m.h, m.w, m.c];
        if shape(self) != shape(other) {
            candle_core::bail!("maps of shape {:?} and {:?} (NHWC) do not fit", shape(self), shape(other));
        }
        Ok(())
    }

    /// The map with the padding that `window` (which does not spread) reads, so that every window lies inside. What the
    /// window leaves out of the map stays.
    pub(super) fn padded(&self, window: &Window) -> Self {
        let sides = |a: &Axis| (a.pad.max(0).cast_unsigned(), a.pad_after().max(0).cast_unsigned());
        let ((top, below), (left, right)) = (sides(&window.y), sides(&window.x));
        if [top, below, left, right] == [0; 4] {
            return self.clone();
        }
        let (h, w, c) = (self.h + top + below, self.w + left + right, self.c);
        let mut data = Buffer::any(self.n * h * w * c);
        data.par_chunks_mut((w * c).max(1)).enumerate().with_min_len(8).for_each(|(line, to)| {
            let (image, y) = (line / h, line % h);
            if y < top || y >= top + self.h {
                to.fill(0.0);
                return;
            }
            to[..left * c].fill(0.0);
            to[left * c..(left + self.w) * c]
                .copy_from_slice(&self.data[(image * self.h + y - top) * self.row()..][..self.row()]);
            to[(left + self.w) * c..].fill(0.0);
        });
        Self::new([self.n, h, w, c], data)
    }

    pub fn concat(maps: &[&Self]) -> Result<Self> {
        let first = maps[0];
        let (n, h, w) = (first.n, first.h, first.w);
        if maps.iter().any(|m| (m.n, m.h, m.w) != (n, h, w)) {
            candle_core::bail!("only maps of one size can be joined along the channels");
        }
        let c: usize = maps.iter().map(|m| m.c).sum();
        let mut data = Buffer::any(n * h * w * c);
        data.par_chunks_mut(c.max(1)).enumerate().with_min_len(64).for_each(|(p, pixel)| {
            let mut start = 0;
            for map in maps {
                pixel[start..start + map.c].copy_from_slice(&map.data[p * map.c..(p + 1) * map.c]);
                start += map.c;
            }
        });
        Ok(Self::new([n, h, w, c], data))
    }

    pub fn split_channels(&self, widths: &[usize]) -> Vec<Self> {
        let mut start = 0;
        widths
            .iter()
            .map(|&width| {
                let mut data = Buffer::any(self.n * self.h * self.w * width);
                let pixels =
                    data.par_chunks_mut(width.max(1)).zip(self.data.par_chunks(self.c.max(1))).with_min_len(64);
                pixels.for_each(|(to, from)| to.copy_from_slice(&from[start..start + width]));
                start += width;
                Self::new([self.n, self.h, self.w, width], data)
            })
            .collect()
    }
}

/// What `read` makes of a tensor's values in reading order.
fn with_values<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let flat = tensor.flatten_all()?;
    let (storage, layout) = flat.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else {
        candle_core::bail!("only a tensor in main memory becomes a channels-last map");
    };
    Ok(read(&storage.as_slice::<f32>()?[layout.start_offset()..][..flat.elem_count()]))
}

/// The values of a map, for elementwise work.
pub struct Elements<'a>(pub(super) &'a mut [f32]);

/// `to[j, i] = from[i, j]` for a matrix of `rows` × `cols`.
fn transpose(from: &[f32], to: &mut [f32], rows: usize, cols: usize) {
    let columns_a_task = (TASK / rows.max(1)).max(1).next_multiple_of(TILE);
    to.par_chunks_mut(columns_a_task * rows).enumerate().for_each(|(task, to)| {
        for (block, to) in to.chunks_mut(TILE * rows).enumerate() {
            let first = task * columns_a_task + block * TILE;
            for i0 in (0..rows).step_by(TILE) {
                let i1 = (i0 + TILE).min(rows);
                for (j, column) in to.chunks_mut(rows).enumerate() {
                    for (i, value) in column[i0..i1].iter_mut().enumerate() {
                        *value = from[(i0 + i) * cols + first + j];
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_convert_there_and_back() -> Result<()> {
        for shape in [(1, 3, 5, 7), (2, 33, 40, 9), (1, 1, 1, 1), (3, 64, 1, 35)] {
            let x = Tensor::randn(0f32, 1f32, shape, &Device::Cpu)?;
            let map = Nhwc::from_tensor(&x)?;
            let (n, c, h, w) = shape;
            let pixel = x.get(n - 1)?.get(c - 1)?.get(h - 1)?.get(w - 1)?.to_scalar::<f32>()?;
            assert_eq!(map.data()[n * h * w * c - 1].to_bits(), pixel.to_bits());
            let back = map.to_tensor()?;
            let difference = (back - x)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(difference == 0.0);
        }
        Ok(())
    }
}
