//! Channels-last kernels for the CPU.
//!
//! Work is cut into blocks whose sizes depend on the shapes alone, never on the number of threads, and every
//! output is summed in one fixed order: results are the same bits with one thread and with many.

mod conv;
mod depthwise;
mod elementwise;
mod gemm;
mod nhwc;
mod pool;
mod wide;

pub(super) use conv::PackedConv;
pub use nhwc::Nhwc;
