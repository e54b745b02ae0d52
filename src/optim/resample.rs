//! Bilinear interpolation of maps.

use crate::error::Result;
use candle_core::{Device, Tensor};

/// Where the outermost samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corners {
    /// On the centres of the outermost cells (PyTorch's `align_corners=True`).
    Aligned,
    /// Half a cell inside the border (PyTorch's `align_corners=False`).
    Centred,
}

/// `x` `[N, C, h, w]` interpolated bilinearly to `[N, C, height, width]`.
///
/// # Errors
/// If the tensor does not have four dimensions.
pub fn bilinear(x: &Tensor, (height, width): (usize, usize), corners: Corners) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let rows = weights(h, height, corners, x.device())?;
    let columns = weights(w, width, corners, x.device())?.t()?.contiguous()?;
    let wide = x.contiguous()?.reshape((n * c * h, w))?.matmul(&columns)?.reshape((n * c, h, width))?;
    Ok(rows.broadcast_left(n * c)?.contiguous()?.matmul(&wide)?.reshape((n, c, height, width))?)
}

/// The weights `[to, from]` of each cell in each sample.
fn weights(from: usize, to: usize, corners: Corners, device: &Device) -> Result<Tensor> {
    let mut matrix = vec![0f32; to * from];
    for (i, row) in matrix.chunks_exact_mut(from).enumerate() {
        let at = match corners {
            Corners::Aligned if to > 1 => i as f64 * (from - 1) as f64 / (to - 1) as f64,
            Corners::Aligned => 0.0,
            Corners::Centred => (i as f64 + 0.5) * from as f64 / to as f64 - 0.5,
        };
        let at = at.clamp(0.0, (from - 1) as f64);
        let low = at.floor() as usize;
        let share = (at - low as f64) as f32;
        row[low] += 1.0 - share;
        row[(low + 1).min(from - 1)] += share;
    }
    Ok(Tensor::from_vec(matrix, (to, from), device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_conventions_agree_with_pytorch() -> Result<()> {
        // torch.nn.functional.interpolate([[0, 1], [2, 3]], size=(3, 4), mode="bilinear", align_corners=…)
        let x = Tensor::new(&[0f32, 1.0, 2.0, 3.0], &Device::Cpu)?.reshape((1, 1, 2, 2))?;
        let values = |c| -> Result<Vec<f32>> { Ok(bilinear(&x, (3, 4), c)?.flatten_all()?.to_vec1()?) };
        let third = 1.0 / 3.0;
        let aligned = [0.0, third, 2.0 * third, 1.0, 1.0, 1.0 + third, 1.0 + 2.0 * third, 2.0, 2.0, 2.0 + third];
        for (ours, theirs) in values(Corners::Aligned)?.iter().zip(aligned) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
        let centred = [0.0, 0.25, 0.75, 1.0, 1.0, 1.25, 1.75, 2.0, 2.0, 2.25, 2.75, 3.0];
        for (ours, theirs) in values(Corners::Centred)?.iter().zip(centred) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
        Ok(())
    }
}
