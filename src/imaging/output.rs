//! Files that are whole or not there: everything is written beside its place and then renamed.

use super::{Picture, resize};
use crate::error::{Error, Result};
use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::png::PngEncoder;
use image::{Delay, ExtendedColorType, Frame, ImageEncoder};
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// An array of float32 values in C order; cloning shares them.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of each axis, the slowest first.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Arc<[f32]>,
}

/// Writes `bytes` to a temporary file in the same folder and renames it to `path`.
///
/// # Errors
/// [`Error::Output`]; the old file, if any, is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::Output { path: path.to_owned(), source: plain(error) };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".gradlens-").tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private; a result is an ordinary file.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(failed)?;
    }
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Without the name of the temporary file, which says nothing to anyone.
fn plain(error: std::io::Error) -> std::io::Error {
    if error.raw_os_error().is_none() && error.kind() != std::io::ErrorKind::Other {
        error.kind().into()
    } else {
        error
    }
}

/// [`write_atomically`], for this person's eyes only, and on the disk before the old file goes.
///
/// # Errors
/// As there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::Output { path: path.to_owned(), source: plain(error) };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".gradlens-").tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_data()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Writes a PNG.
///
/// # Errors
/// [`Error::Output`].
pub fn write_png(path: &Path, picture: &Picture) -> Result<()> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&picture.rgb, picture.width, picture.height, ExtendedColorType::Rgb8)
        .map_err(|e| Error::Output { path: path.to_owned(), source: std::io::Error::other(e) })?;
    write_atomically(path, &bytes)
}

/// Writes an animated GIF that repeats: ten pictures a second, the last one for two seconds. Pictures of other sizes
/// are brought to that of the last.
///
/// # Errors
/// [`Error::Output`].
pub fn write_gif(path: &Path, pictures: &[Picture]) -> Result<()> {
    let failed = |e| Error::Output { path: path.to_owned(), source: std::io::Error::other(e) };
    let mut bytes = Vec::new();
    {
        let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
        encoder.set_repeat(Repeat::Infinite).map_err(&failed)?;
        for (i, picture) in pictures.iter().enumerate() {
            let last = &pictures[pictures.len() - 1];
            let picture = resize(picture, last.width, last.height);
            let ms = if i + 1 == pictures.len() { 2000 } else { 100 };
            let image = image::DynamicImage::ImageRgb8(picture.to_image()).into_rgba8();
            let frame = Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(ms, 1));
            encoder.encode_frame(frame).map_err(&failed)?;
        }
    }
    write_atomically(path, &bytes)
}

/// Writes a NumPy `.npy` file (version 1.0, little-endian float32).
///
/// # Errors
/// [`Error::Output`].
pub fn write_npy(path: &Path, array: &Array) -> Result<()> {
    let shape: Vec<String> = array.shape.iter().map(ToString::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", shape.join(", "));
    // Magic, version and length take 10 bytes; the header ends in a newline on a multiple of 64.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(array.values.iter().flat_map(|v| v.to_le_bytes()));
    write_atomically(path, &bytes)
}

/// Writes JSON with two spaces of indentation and a final newline.
///
/// # Errors
/// [`Error::Output`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::Output { path: path.to_owned(), source: std::io::Error::other(e) })?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// Writes a table of steps and figures: a header, then a row a step; a figure that is not there stays empty.
///
/// # Errors
/// [`Error::Output`].
pub fn write_csv(path: &Path, names: &[String], rows: &[(usize, Vec<Option<f64>>)]) -> Result<()> {
    let mut text = format!("step,{}\n", names.join(","));
    for (step, figures) in rows {
        let figures: Vec<String> = figures.iter().map(|v| v.map(|v| v.to_string()).unwrap_or_default()).collect();
        text += &[step.to_string(), figures.join(",")].join(",");
        text.push('\n');
    }
    write_atomically(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npy_headers_are_aligned() {
        let folder = tempfile::tempdir().expect("a folder");
        for shape in [vec![7, 7], vec![3, 224, 224], vec![5]] {
            let path = folder.path().join("a.npy");
            let values: Arc<[f32]> = vec![1.5; shape.iter().product()].into();
            write_npy(&path, &Array { shape, values: values.clone() }).expect("written");
            let bytes = std::fs::read(&path).expect("read");
            let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            assert_eq!((10 + header) % 64, 0);
            assert_eq!(bytes.len(), 10 + header + values.len() * 4);
        }
    }

    #[test]
    fn nothing_is_left_behind_where_nothing_can_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = write_atomically(&folder.path().join("missing/x.png"), b"x").expect_err("no folder");
        assert!(error.to_string().contains("x.png"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
