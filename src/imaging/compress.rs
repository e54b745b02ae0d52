//! Pictures in few bytes, for a long line.

use super::Picture;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageReader, Limits};
use std::io::Cursor;

/// Qualities that are tried, the best first.
const QUALITIES: [u8; 6] = [92, 85, 75, 60, 40, 20];

/// A PNG if that fits in `most` bytes, else the best JPEG that does, or the coarsest there is.
#[must_use]
pub fn compress(picture: &Picture, most: usize) -> Vec<u8> {
    let size = (picture.width, picture.height);
    // Flat pictures are small without loss; photos never are.
    let mut png = vec![];
    let whole = PngEncoder::new(&mut png).write_image(&picture.rgb, size.0, size.1, ExtendedColorType::Rgb8);
    if whole.is_ok() && png.len() <= most {
        return png;
    }
    let mut jpeg = vec![];
    for quality in QUALITIES {
        jpeg.clear();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
        let written = encoder.write_image(&picture.rgb, size.0, size.1, ExtendedColorType::Rgb8);
        if written.is_ok() && jpeg.len() <= most {
            break;
        }
    }
    jpeg
}

/// The picture again; `None` if the bytes are no picture of this size.
#[must_use]
pub fn decompress(bytes: &[u8], (width, height): (u32, u32)) -> Option<Picture> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(width), Some(height));
    limits.max_alloc = Some((u64::from(width) * u64::from(height) * 16).max(1 << 20));
    reader.limits(limits);
    let picture: Picture = reader.decode().ok()?.to_rgb8().into();
    ((picture.width, picture.height) == (width, height)).then_some(picture)
}
