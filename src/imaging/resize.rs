//! Antialiased resizing, as Pillow and torchvision do it.

use super::Picture;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};
use serde::{Deserialize, Serialize};

/// How a picture is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Cubic convolution with a = −0.5, antialiased, as Pillow's BICUBIC.
    Bicubic,
    /// Linear, antialiased, as Pillow's BILINEAR.
    Bilinear,
    /// The nearest pixel.
    Nearest,
}

/// Resizes to exactly `width` × `height` pixels with antialiased bicubic interpolation (a = −0.5); a picture that
/// already has that size comes back as it is.
///
/// # Panics
/// Never for a picture made by [`Picture::new`].
#[must_use]
pub fn resize(picture: &Picture, width: u32, height: u32) -> Picture {
    resize_by(picture, width, height, Interpolation::Bicubic)
}

/// The same with another interpolation.
pub(super) fn resize_by(picture: &Picture, width: u32, height: u32, interpolation: Interpolation) -> Picture {
    if (picture.width, picture.height) == (width, height) {
        return picture.clone();
    }
    let source = Image::from_vec_u8(picture.width, picture.height, picture.rgb.to_vec(), PixelType::U8x3)
        .expect("three bytes a pixel");
    let mut target = Image::new(width.max(1), height.max(1), PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(match interpolation {
        Interpolation::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
        Interpolation::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Interpolation::Nearest => ResizeAlg::Nearest,
    });
    Resizer::new().resize(&source, &mut target, &options).expect("both pictures are RGB");
    Picture::new(width.max(1), height.max(1), target.into_vec())
}

/// The whole picture with its longer side at `size` pixels.
#[must_use]
pub fn fit_longer_side(picture: &Picture, size: u32) -> Picture {
    let (width, height) = fitted_size(picture, size);
    resize(picture, width, height)
}

/// The width and height of a picture once its longer side has `size` pixels.
#[must_use]
pub fn fitted_size(picture: &Picture, size: u32) -> (u32, u32) {
    let (w, h) = (f64::from(picture.width), f64::from(picture.height));
    let scale = f64::from(size) / w.max(h);
    let side = |n: f64| (n * scale).round().max(1.0) as u32;
    (side(w), side(h))
}

/// The part `[x, y, width, height]` of a picture.
///
/// # Panics
/// If it does not lie in the picture.
#[must_use]
pub fn crop(picture: &Picture, [x, y, width, height]: [u32; 4]) -> Picture {
    let row = picture.width as usize * 3;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for y in y as usize..(y + height) as usize {
        rgb.extend_from_slice(&picture.rgb[y * row + x as usize * 3..][..width as usize * 3]);
    }
    Picture::new(width, height, rgb)
}

/// A picture whose left `share` (0 to 1) is that of another one, with a white edge between them.
#[must_use]
pub fn swipe(picture: &Picture, other: &Picture, share: f64) -> Picture {
    let other = resize(other, picture.width, picture.height);
    let edge = (share.clamp(0.0, 1.0) * f64::from(picture.width)).round() as usize;
    let row = picture.width as usize * 3;
    let mut rgb = picture.rgb.to_vec();
    for (to, from) in rgb.chunks_mut(row).zip(other.rgb.chunks(row)) {
        to[..edge * 3].copy_from_slice(&from[..edge * 3]);
        if edge > 0 && edge < picture.width as usize {
            to[edge * 3..edge * 3 + 3].fill(255);
        }
    }
    Picture::new(picture.width, picture.height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swiping_shows_both() {
        let (black, white) = (Picture::new(10, 2, vec![0; 60]), Picture::new(5, 1, vec![200; 15]));
        let both = swipe(&black, &white, 0.4);
        assert_eq!(
            both.rgb.chunks(3).take(10).map(|p| p[0]).collect::<Vec<_>>(),
            [200, 200, 200, 200, 255, 0, 0, 0, 0, 0]
        );
        assert_eq!(swipe(&black, &white, 0.0), black);
    }

    fn ramp(width: u32, height: u32) -> Picture {
        let rgb = (0..width * height * 3).map(|i| (i % 251) as u8).collect();
        Picture::new(width, height, rgb)
    }

    #[test]
    fn the_longer_side_fits() {
        let fitted = fit_longer_side(&ramp(640, 427), 288);
        assert_eq!((fitted.width, fitted.height), (288, 192));
        let sliver = fit_longer_side(&ramp(1000, 1), 256);
        assert_eq!((sliver.width, sliver.height), (256, 1));
    }
}
