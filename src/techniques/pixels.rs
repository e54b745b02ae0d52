//! Between pictures and tensors.

use crate::error::Result;
use crate::imaging::{HeatMap, Picture};
use candle_core::{Device, Tensor};

/// A picture's pixels `[1, 3, H, W]` in `[0, 1]`.
///
/// # Errors
/// If candle cannot allocate the tensor.
pub fn pixels_from_picture(picture: &Picture, device: &Device) -> Result<Tensor> {
    let (h, w) = (picture.height as usize, picture.width as usize);
    let mut planes = vec![0f32; 3 * h * w];
    for (p, rgb) in picture.rgb.chunks_exact(3).enumerate() {
        for (c, &v) in rgb.iter().enumerate() {
            planes[c * h * w + p] = f32::from(v) / 255.0;
        }
    }
    Ok(Tensor::from_vec(planes, (1, 3, h, w), device)?)
}

/// Pixels `[1, 3, H, W]` as an 8-bit picture: clamped to `[0, 1]` and rounded.
///
/// # Errors
/// If the tensor has another shape or cannot be read back.
pub fn picture_from_pixels(pixels: &Tensor) -> Result<Picture> {
    let (_, _, h, w) = pixels.dims4()?;
    let planes = pixels.flatten_all()?.to_vec1::<f32>()?;
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    let rgb = (0..h * w).flat_map(|p| [0, 1, 2].map(|c| byte(planes[c * h * w + p]))).collect();
    Ok(Picture::new(w as u32, h as u32, rgb))
}

/// A map `[H, W]`.
pub(super) fn heat_from_tensor(map: &Tensor) -> Result<HeatMap> {
    let (h, w) = map.dims2()?;
    Ok(HeatMap::new(w as u32, h as u32, map.flatten_all()?.to_vec1::<f32>()?))
}
