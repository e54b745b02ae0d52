//! ONNX files: what is read of them, and what becomes of it before it is a network.

#[path = "../support/cases.rs"]
mod cases;
mod hostile;
mod importing;
mod opsets;
mod reading;
mod reference;
mod writer;

use gradlens::model::read::onnx::source::ByteSource;
use gradlens::model::read::onnx::{ImportOptions, Imported, import};
use std::path::PathBuf;
use std::sync::Arc;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx").join(name)
}

/// The networks in files that come with the tests.
const FILES: [&str; 10] = [
    "cnn_ts11.onnx",
    "cnn_ts17.onnx",
    "cnn_dynamo18.onnx",
    "cnn_half.onnx",
    "plain_int8.onnx",
    "vit_ts17.onnx",
    "vit_dynamo20.onnx",
    "keras.onnx",
    "light_squeezenet.onnx",
    "light_bvlc_alexnet.onnx",
];

fn source(bytes: Vec<u8>) -> Arc<ByteSource> {
    Arc::new(ByteSource::Memory(bytes))
}

/// Imports a file that has to be understood.
fn imported(bytes: Vec<u8>) -> Imported {
    import(source(bytes), &ImportOptions::default()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// Why a file is refused: one sentence.
fn refused(bytes: Vec<u8>) -> String {
    let refusal = import(source(bytes), &ImportOptions::default()).expect_err("a refusal").to_string();
    assert!(!refusal.contains('\n') && refusal.len() < 400, "{refusal}");
    refusal
}

/// What the graph consists of: `Conv 2, Relu 1`.
fn operators(imported: &Imported) -> String {
    let counts = imported.graph.histogram();
    counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
}
