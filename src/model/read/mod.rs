//! Models from outside.

pub mod onnx;
