//! Channels-last kernels for the CPU.
//!
//! Work is cut into blocks whose sizes depend on the shapes alone, never on the number of threads, and every
//! output is summed in one fixed order: results are the same bits with one thread and with many.

mod broadcast;
mod buffer;
mod channel;
mod conv;
mod elementary;
mod elementwise;
mod epilogue;
mod fold;
mod function;
mod gemm;
mod gram;
mod nhwc;
mod normalise;
mod output;
mod pool;
mod rearrange;
mod simd;

pub(super) use buffer::bytes_at_rest;
pub(super) use conv::PackedConv;
pub(super) use epilogue::{Epilogue, Mask};
pub use nhwc::Nhwc;
