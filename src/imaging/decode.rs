//! Picture files of all kinds, as 8-bit RGB.

use super::Picture;
use crate::error::{Error, Result};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgba};
use std::io::{Cursor, Read};
use std::path::Path;

/// The most pixels a picture may have: beyond this, decoding alone would take gigabytes.
pub const MAX_PIXELS: u64 = 100_000_000;
const MAX_FILE: u64 = 512 << 20;
const MAX_ALLOCATION: u64 = 2 << 30;

/// How files end that [`decode`] reads.
const ENDINGS: [&str; 13] =
    ["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "pbm", "pgm", "ppm", "pnm", "pam"];

/// Whether a file's name is that of a picture.
#[must_use]
pub fn names_a_picture(path: &Path) -> bool {
    path.extension().is_some_and(|e| ENDINGS.contains(&e.to_string_lossy().to_lowercase().as_str()))
}

/// Reads a picture file's bytes.
///
/// # Errors
/// [`Error::BadImage`] if it is missing, no file, empty or larger than 512 MiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let bad = |reason: String| Error::bad_image(path, reason);
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => bad("there is no such file".into()),
        _ => bad(e.to_string()),
    })?;
    if meta.is_dir() {
        return Err(bad("it is a folder; give a picture file".into()));
    }
    // What a shell puts in a file's place comes to an end; a pipe or a device may not.
    if !meta.is_file() && !["/dev/fd", "/proc/self/fd", "/dev/stdin"].iter().any(|streams| path.starts_with(streams))
    {
        return Err(bad("it is a pipe or a device; give a picture file".into()));
    }
    let file = std::fs::File::open(path).map_err(|e| bad(e.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| bad(e.to_string()))?;
    if bytes.is_empty() {
        return Err(bad("the file is empty".into()));
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(bad("the file is larger than 512 MiB".into()));
    }
    Ok(bytes)
}

/// Decodes PNG, JPEG, GIF, WebP, BMP, TIFF or PNM bytes. An animation gives its first frame, EXIF orientation is
/// applied, transparency is laid over white, 16-bit and grey pictures become 8-bit RGB.
///
/// # Errors
/// [`Error::BadImage`], which names `path`, if the bytes are no whole picture or it has over [`MAX_PIXELS`].
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Picture> {
    let bad = |reason: String| Error::bad_image(path, reason);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| bad(e.to_string()))?;
    if reader.format().is_none() {
        return Err(bad("it is not a picture (PNG, JPEG, GIF, WebP, BMP, TIFF and PNM are read)".into()));
    }
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_is_whole(bytes) {
        return Err(bad("the file is damaged or cut off (its end is missing)".into()));
    }
    // Sizes are checked right below, with a sentence of our own; this guards the decoder's own buffers.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| bad(broken(&e)))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(bad(format!(
            "{width}×{height} pixels are more than the {} megapixels that fit; scale it down first",
            MAX_PIXELS / 1_000_000
        )));
    }
    if pixels == 0 {
        return Err(bad("it has no pixels".into()));
    }
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| bad(broken(&e)))?;
    picture.apply_orientation(orientation);
    Ok(over_white(picture).into())
}

/// Whether an end marker follows the last scan: the decoder fills what is missing with grey and says nothing.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const SCAN: [u8; 2] = [0xff, 0xda];
    const END: [u8; 2] = [0xff, 0xd9];
    let last_scan = bytes.windows(2).rposition(|m| m == SCAN);
    last_scan.is_some_and(|at| bytes[at..].windows(2).any(|m| m == END))
}

fn broken(error: &image::ImageError) -> String {
    format!("the file is damaged or cut off ({error})")
}

fn over_white(picture: DynamicImage) -> image::RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let rgba = picture.into_rgba8();
    image::RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let Rgba([r, g, b, a]) = *rgba.get_pixel(x, y);
        let lay = |v: u8| {
            let (v, a) = (u32::from(v), u32::from(a));
            u8::try_from((v * a + 255 * (255 - a) + 127) / 255).unwrap_or(255)
        };
        image::Rgb([lay(r), lay(g), lay(b)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

    fn png(data: &[u8], w: u32, h: u32, kind: ExtendedColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(data, w, h, kind).expect("a PNG");
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Picture> {
        decode(Path::new("test.png"), bytes)
    }

    #[test]
    fn unusual_pictures_become_rgb() -> Result<()> {
        let grey = read(&png(&[7], 1, 1, ExtendedColorType::L8))?;
        assert_eq!(*grey.rgb, [7, 7, 7]);
        let deep = read(&png(&[0xab, 0xab, 0, 0, 0xff, 0xff], 1, 1, ExtendedColorType::Rgb16))?;
        assert_eq!(*deep.rgb, [0xab, 0, 0xff]);
        let clear = read(&png(&[0, 0, 0, 0, 255, 0, 0, 255], 2, 1, ExtendedColorType::Rgba8))?;
        assert_eq!(*clear.rgb, [255, 255, 255, 255, 0, 0]);
        Ok(())
    }

    #[test]
    fn names_of_pictures_are_known() {
        for name in ["a.JPG", "b.pbm", "c/d.e.pam"] {
            assert!(names_a_picture(Path::new(name)), "{name}");
        }
        assert!(!names_a_picture(Path::new("png")) && !names_a_picture(Path::new("a.svg")));
    }

    #[test]
    fn broken_files_are_named() {
        let whole = png(&[1; 300], 10, 10, ExtendedColorType::Rgb8);
        for (bytes, words) in [(&whole[..whole.len() / 2], "damaged"), (&b"hello, this is text"[..], "not a picture")]
        {
            let error = read(bytes).expect_err("no picture").to_string();
            assert!(error.contains("test.png") && error.contains(words), "{error}");
        }
    }
}
