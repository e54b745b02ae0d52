//! What is done with bytes that may be a model file, shared by the fuzzers and by the test that replays their corpus
//! (`tests/fuzzed.rs`).

pub mod allocator;

use gradlens::model::read::checkpoint::{self, Checkpoint};
use gradlens::model::read::onnx::source::ByteSource;
use gradlens::model::read::onnx::{self, ImportOptions, Refusal, proto};
use std::path::Path;
use std::sync::Arc;

/// The most numbers of one tensor that are read: what is asked for, not what may be allocated.
const NUMBERS: usize = 1 << 16;

/// Reads where the tensors of a file are.
type Reads = fn(&Path) -> Result<Checkpoint, Refusal>;

/// A name of a fuzzer, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8], &Path));

/// Every fuzzer.
pub const TARGETS: [Target; 3] = [("wire", wire), ("importer", importer), ("checkpoint", checkpoint)];

/// Reads the messages of an ONNX file, and its weights.
pub fn wire(bytes: &[u8], _: &Path) {
    let source = Arc::new(ByteSource::Memory(bytes.to_vec()));
    let Ok(model) = proto::read(&source) else { return };
    for tensor in model.graph.iter().flat_map(|graph| &graph.initializers) {
        let Ok(shape) = tensor.stored.shape() else { continue };
        let count = shape.iter().product::<usize>();
        if let (Ok(placed), true) = (tensor.stored.place(source.clone()), count <= NUMBERS) {
            let _ = (placed.floats(count), placed.ints(count));
        }
    }
}

/// Makes layers of an ONNX file.
pub fn importer(bytes: &[u8], _: &Path) {
    one_line(onnx::import(Arc::new(ByteSource::Memory(bytes.to_vec())), &ImportOptions::default()).err());
}

/// Reads where the tensors of a file are, whatever kind it is, finds its architecture, and reads what it holds. The file
/// is at `path`: its readers want one.
pub fn checkpoint(bytes: &[u8], path: &Path) {
    std::fs::write(path, bytes).expect("a file to read");
    let kinds: [Reads; 3] = [checkpoint::safetensors::read, checkpoint::pytorch::read, checkpoint::npz::read];
    for read in kinds {
        let found = match read(path) {
            Ok(found) => found,
            Err(refusal) => {
                one_line(Some(refusal));
                continue;
            }
        };
        for stored in found.tensors.values() {
            let Ok(shape) = stored.shape() else { continue };
            let count = shape.iter().product::<usize>();
            let Some((source, _)) = stored.supply().filter(|_| count <= NUMBERS) else { continue };
            if let Ok(placed) = stored.place(source.clone()) {
                let _ = placed.floats(count);
            }
        }
        one_line(checkpoint::network(&found, None, &ImportOptions::default()).err());
    }
}

/// A refusal is one sentence.
fn one_line(refusal: Option<Refusal>) {
    if let Some(refusal) = refusal {
        assert!(!refusal.to_string().contains('\n'), "{refusal}");
    }
}
