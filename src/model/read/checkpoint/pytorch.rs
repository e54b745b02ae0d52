//! What `torch.save` writes, in all its containers, read by the crate `pytorch-reader`: a pickle is parsed and never
//! executed.

use super::tensors::Checkpoint;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::source::ByteSource;
use crate::model::read::onnx::stored::Stored;
use pytorch_reader::{DType, PickleValue, PytorchReader};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// How deep a dictionary may lie in which a file says what it is.
const DEEPEST: usize = 3;
/// How much of an archive's end is looked at where its index cannot be read, in bytes.
const END: u64 = 64 << 10;

/// Whether a file begins like one: an archive with a pickle in it, a bare pickle, or the archive of the oldest files.
#[must_use]
pub fn is(path: &Path, head: &[u8]) -> bool {
    let pickle = matches!(head, [0x80, 2..=5, ..]);
    pickle || head.get(257..262) == Some(b"ustar") || is_archive(head) && entries(path).iter().any(|e| is_pickle(e))
}

/// Whether a file begins like a ZIP archive.
#[must_use]
pub fn is_archive(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04")
}

/// Names of what is in a ZIP archive; of a broken one, or one of another dialect, what its end holds.
pub fn entries(path: &Path) -> Vec<String> {
    let Ok(file) = File::open(path) else { return vec![] };
    let Ok(archive) = zip::ZipArchive::new(BufReader::new(&file)) else {
        return end(&file).split('\0').map(str::to_owned).collect();
    };
    let archive = Some(archive);
    archive.iter().flat_map(zip::ZipArchive::file_names).filter_map(|name| Some(name.ok()?.into_owned())).collect()
}

/// The last of a file as text.
fn end(mut file: &File) -> String {
    let mut bytes = Vec::new();
    let from = file.metadata().map_or(0, |about| about.len().saturating_sub(END));
    let read = file.seek(SeekFrom::Start(from)).and_then(|_| file.take(END).read_to_end(&mut bytes));
    if read.is_err() { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() }
}

fn is_pickle(entry: &str) -> bool {
    entry.ends_with("data.pkl") || entry.ends_with("constants.pkl") || is_exported(entry)
}

/// Whether an archive with that entry is an exported program (`torch.export`).
fn is_exported(entry: &str) -> bool {
    ["serialized_exported_program.json", "archive_format", "models/model.json"]
        .iter()
        .any(|name| entry.contains(name))
}

/// Reads where the tensors are.
///
/// # Errors
/// A [`Refusal`] for TorchScript and exported programs, with what exports them, and for broken files.
pub fn read(path: &Path) -> Result<Checkpoint, Refusal> {
    let entries = entries(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.escape_debug();
    if entries.iter().any(|entry| is_exported(entry)) {
        return Err(program(
            "a program of torch.export",
            &format!("m = torch.export.load(\"{name}\").module()"),
            true,
        ));
    }
    if entries.iter().any(|entry| entry.ends_with("constants.pkl") || entry.contains("/code/")) {
        return Err(program("TorchScript", &format!("m = torch.jit.load(\"{name}\").eval()"), false));
    }
    let refused = |e: &dyn std::fmt::Display| Refusal(format!("it is no file that torch.save wrote whole ({e})"));
    let reader = PytorchReader::new(path).map_err(|e| refused(&e))?;
    let mut checkpoint = Checkpoint::default();
    for (name, tensor) in reader.into_tensors() {
        let dims = tensor.shape().iter().map(|extent| *extent as i64).collect();
        let (element, bytes) = (element(tensor.dtype()), tensor.byte_len() as u64);
        let source = Arc::new(ByteSource::Tensor(tensor));
        checkpoint.tensors.insert(name, Stored::supplied(dims, element, source, 0, bytes));
    }
    if checkpoint.tensors.is_empty() {
        return Err(Refusal::new("it holds no tensors; give a file of weights"));
    }
    let words = PytorchReader::read_pickle_data(path, None).ok();
    checkpoint.architecture = words.and_then(|words| architecture(&words, 0));
    Ok(checkpoint)
}

/// A file whose graph is a program.
fn program(what: &str, load: &str, dynamo: bool) -> Refusal {
    let dynamo = if dynamo { "" } else { ", dynamo=False" };
    Refusal(format!(
        "it is {what}, which is not read; in Python: {load}; torch.onnx.export(m, (torch.rand(1, 3, 224, 224),), \"model.onnx\"{dynamo})"
    ))
}

/// What training scripts write down of the network's name: `arch` (torchvision's), `args.model` (timm's).
fn architecture(value: &PickleValue, depth: usize) -> Option<String> {
    let PickleValue::Dict(entries) = value else { return None };
    let text = |key: &str| match entries.get(key) {
        Some(PickleValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let own = ["arch", "architecture", "model_name", "model"].into_iter().find_map(text);
    own.or_else(|| {
        let inside = ["args", "hyper_parameters", "config", "opt"].into_iter().filter_map(|key| entries.get(key));
        if depth < DEEPEST { inside.into_iter().find_map(|value| architecture(value, depth + 1)) } else { None }
    })
}

/// ONNX's number of an element type.
fn element(kind: DType) -> i32 {
    match kind {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::U16 => 4,
        DType::I16 => 5,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
        DType::U32 => 12,
        DType::U64 => 13,
        DType::BF16 => 16,
    }
}
