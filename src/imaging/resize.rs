//! Antialiased bicubic resizing, as Pillow and torchvision do it.

use super::Picture;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};

/// Resizes to exactly `width` × `height` pixels with antialiased bicubic interpolation (a = −0.5); a picture that
/// already has that size comes back as it is.
///
/// # Panics
/// Never for a picture made by [`Picture::new`].
#[must_use]
pub fn resize(picture: &Picture, width: u32, height: u32) -> Picture {
    if (picture.width, picture.height) == (width, height) {
        return picture.clone();
    }
    let source = Image::from_vec_u8(picture.width, picture.height, picture.rgb.to_vec(), PixelType::U8x3)
        .expect("three bytes a pixel");
    let mut target = Image::new(width.max(1), height.max(1), PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new().resize(&source, &mut target, &options).expect("both pictures are RGB");
    Picture::new(width.max(1), height.max(1), target.into_vec())
}

/// torchvision's evaluation transform: the shorter side to `size`, then the central square of that size.
#[must_use]
pub fn centre_crop(picture: &Picture, size: u32) -> Picture {
    let (w, h) = (u64::from(picture.width), u64::from(picture.height));
    let short = w.min(h);
    let side = |n: u64| u32::try_from(n * u64::from(size) / short).unwrap_or(u32::MAX);
    // A picture as thin as a line would grow without bound: only what the crop keeps is resized.
    if w.max(h) > short.saturating_mul(64) {
        let keep = |n: u64| u32::try_from(n.min(short)).unwrap_or(u32::MAX);
        let middle = centre(picture, keep(w), keep(h));
        return resize(&middle, size, size);
    }
    centre(&resize(picture, side(w), side(h)), size, size)
}

/// Where a box `[x, y, width, height]` of a picture of that size lies in its [`centre_crop`], as
/// `[left, top, right, bottom]` in pixels of the crop, cut at its edges.
#[must_use]
pub fn seen_in_crop((width, height): (u32, u32), size: u32, [x, y, w, h]: [f64; 4]) -> [f64; 4] {
    let scale = f64::from(size) / f64::from(width.min(height));
    let margin = |side: u32| ((f64::from(side) * scale).floor() - f64::from(size)) / 2.0;
    let (left, top) = (margin(width).round_ties_even(), margin(height).round_ties_even());
    let cut = |v: f64| v.clamp(0.0, f64::from(size));
    [cut(x * scale - left), cut(y * scale - top), cut((x + w) * scale - left), cut((y + h) * scale - top)]
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

fn centre(picture: &Picture, width: u32, height: u32) -> Picture {
    // torchvision rounds the margin half to even.
    let margin = |n: u32, keep: u32| (f64::from(n - keep) / 2.0).round_ties_even() as u32;
    crop(picture, [margin(picture.width, width), margin(picture.height, height), width, height])
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
    fn the_right_size_is_left_alone() {
        let picture = ramp(224, 224);
        assert_eq!(centre_crop(&picture, 224), picture);
    }

    #[test]
    fn any_shape_becomes_a_square() {
        for (w, h) in [(1, 1), (1, 5000), (5000, 1), (300, 451), (223, 224), (2000, 30)] {
            let crop = centre_crop(&ramp(w, h), 224);
            assert_eq!((crop.width, crop.height), (224, 224), "{w}×{h}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "all of them are whole numbers")]
    fn a_box_follows_the_crop() {
        assert_eq!(seen_in_crop((448, 224), 224, [112.0, 0.0, 224.0, 224.0]), [0.0, 0.0, 224.0, 224.0]);
        assert_eq!(seen_in_crop((224, 448), 224, [0.0, 212.0, 24.0, 24.0]), [0.0, 100.0, 24.0, 124.0]);
        assert_eq!(seen_in_crop((224, 224), 224, [200.0, 200.0, 100.0, 10.0]), [200.0, 200.0, 224.0, 210.0]);
    }

    #[test]
    fn the_longer_side_fits() {
        let fitted = fit_longer_side(&ramp(640, 427), 288);
        assert_eq!((fitted.width, fitted.height), (288, 192));
        let sliver = fit_longer_side(&ramp(1000, 1), 256);
        assert_eq!((sliver.width, sliver.height), (256, 1));
    }
}
