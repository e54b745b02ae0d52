//! NumPy's archives of arrays: a ZIP of `.npy` files, whose numbers stay in it until they are used.

use super::npy;
use super::tensors::Checkpoint;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::source::ByteSource;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use zip::{CompressionMethod, ZipArchive};

/// Whether a file begins like one: an archive with arrays in it.
#[must_use]
pub fn is(path: &Path, head: &[u8]) -> bool {
    super::pytorch::is_archive(head)
        && super::pytorch::entries(path).iter().any(|entry| Path::new(entry).extension().is_some_and(|e| e == "npy"))
}

/// Reads where the arrays are.
///
/// # Errors
/// A [`Refusal`] if the archive is broken or compressed, or an array is none that is read.
pub fn read(path: &Path) -> Result<Checkpoint, Refusal> {
    let source = Arc::new(ByteSource::open(path)?);
    let broken = |e: &dyn std::fmt::Display| Refusal(format!("it is no whole .npz file ({e})"));
    let file = File::open(path).map_err(Refusal::new)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| broken(&e))?;
    let mut checkpoint = Checkpoint::default();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|e| broken(&e))?;
        let name = entry.name().map_err(|e| broken(&e))?;
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else { continue };
        if entry.compression() != CompressionMethod::Stored {
            return Err(Refusal::new("its arrays are compressed; save them with numpy.savez"));
        }
        let place = entry.data_start().zip(Some(entry.size()));
        let (at, size) = place.ok_or_else(|| broken(&"an array is nowhere"))?;
        if at.checked_add(size).is_none_or(|end| end > source.len()) {
            return Err(broken(&"its arrays end before"));
        }
        let stored = npy::find(&source, at, size)
            .map_err(|refusal| Refusal(format!("of its array \"{}\": {refusal}", name.escape_debug())))?;
        checkpoint.tensors.insert(name, stored);
    }
    Ok(checkpoint)
}
