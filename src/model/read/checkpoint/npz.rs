//! NumPy's archives of arrays, read by candle.

use super::tensors::Checkpoint;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::source::ByteSource;
use crate::model::read::onnx::stored::{MOST_ELEMENTS, Stored};
use candle_core::DType;
use candle_core::npy::NpzTensors;
use std::path::Path;
use std::sync::Arc;

/// Whether a file begins like one: an archive with arrays in it.
#[must_use]
pub fn is(path: &Path, head: &[u8]) -> bool {
    super::pytorch::is_archive(head)
        && super::pytorch::entries(path).iter().any(|entry| Path::new(entry).extension().is_some_and(|e| e == "npy"))
}

/// Reads the arrays.
///
/// # Errors
/// A [`Refusal`] if one is broken or too large.
pub fn read(path: &Path) -> Result<Checkpoint, Refusal> {
    let refused = |e: candle_core::Error| {
        let reason = e.to_string();
        Refusal(format!("it is no whole .npz file ({})", reason.lines().next().unwrap_or_default()))
    };
    let arrays = NpzTensors::new(path).map_err(refused)?;
    let mut checkpoint = Checkpoint::default();
    for name in arrays.names() {
        // Checked before anything is allocated.
        let Ok((shape, _)) = arrays.get_shape_and_dtype(name) else { continue };
        let count = shape.dims().iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
        if count.is_none_or(|count| count > MOST_ELEMENTS) {
            return Err(Refusal(format!("its array \"{}\" is too large", name.escape_debug())));
        }
        let Some(array) = arrays.get(name).map_err(refused)? else { continue };
        let dims = array.dims().iter().map(|extent| *extent as i64).collect();
        let values: Vec<f32> =
            array.to_dtype(DType::F32).and_then(|array| array.flatten_all()?.to_vec1()).map_err(refused)?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let length = bytes.len() as u64;
        let stored = Stored::supplied(dims, 1, Arc::new(ByteSource::Memory(bytes)), 0, length);
        checkpoint.tensors.insert(name.clone(), stored);
    }
    Ok(checkpoint)
}
