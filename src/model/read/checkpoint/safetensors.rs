//! The safetensors format: a JSON header, then the numbers. Reference:
//! <https://github.com/huggingface/safetensors#format>.

use super::tensors::Checkpoint;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::source::ByteSource;
use crate::model::read::onnx::stored::Stored;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::path::Path;
use std::sync::Arc;

/// The longest header that is read, in bytes: as long as the format's own reader allows.
const LONGEST: u64 = 100 << 20;

/// Whether a file begins like one: with the length of its header, and that.
#[must_use]
pub fn is(head: &[u8], length: u64) -> bool {
    header(head).is_some_and(|bytes| bytes <= length) && head.get(8) == Some(&b'{')
}

/// Bytes of the header.
fn header(head: &[u8]) -> Option<u64> {
    head.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Reads where the tensors are.
///
/// # Errors
/// A [`Refusal`] for a file that is cut off or holds something else than its header says.
pub fn read(path: &Path) -> Result<Checkpoint, Refusal> {
    let source = Arc::new(ByteSource::open(path)?);
    let broken = |reason: String| Refusal(format!("it is not a whole safetensors file ({reason}); copy it again"));
    let mut head = [0; 8];
    source.read_at(0, &mut head)?;
    let length = u64::from_le_bytes(head);
    if length > LONGEST.min(source.len()) {
        return Err(broken("its header is longer than the file".to_owned()));
    }
    let mut text = vec![0; length as usize];
    source.read_at(8, &mut text)?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|e| broken(e.to_string()))?;
    let mut checkpoint = Checkpoint::default();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let at = 8 + length + from as u64;
        let bytes = (to - from) as u64;
        if at.checked_add(bytes).is_none_or(|end| end > source.len()) {
            return Err(broken("its numbers end before".to_owned()));
        }
        let Some(element) = element(info.dtype) else { continue };
        let dims = info.shape.iter().map(|extent| *extent as i64).collect();
        checkpoint.tensors.insert(name, Stored::supplied(dims, element, Arc::clone(&source), at, bytes));
    }
    checkpoint.architecture = metadata.metadata().as_ref().and_then(|m| m.get("architecture").cloned());
    Ok(checkpoint)
}

/// ONNX's number of an element type.
fn element(kind: Dtype) -> Option<i32> {
    Some(match kind {
        Dtype::F32 => 1,
        Dtype::U8 => 2,
        Dtype::I8 => 3,
        Dtype::U16 => 4,
        Dtype::I16 => 5,
        Dtype::I32 => 6,
        Dtype::I64 => 7,
        Dtype::BOOL => 9,
        Dtype::F16 => 10,
        Dtype::F64 => 11,
        Dtype::U32 => 12,
        Dtype::U64 => 13,
        Dtype::BF16 => 16,
        _ => return None,
    })
}
