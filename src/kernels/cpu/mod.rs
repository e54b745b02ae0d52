//! Channels-last kernels for the CPU.
//!
//! Work is cut into blocks whose sizes depend on the shapes alone, never on the number of threads, and every
//! output is summed in one fixed order: results are the same bits with one thread and with many.

mod buffer;
mod col2im;
mod conv;
mod depthwise;
mod elementwise;
mod ending;
mod gemm;
mod gram;
mod nhwc;
mod pool;
mod simd;
mod winograd;

pub(super) use conv::PackedConv;
pub(super) use ending::{Ending, Gate};
pub use nhwc::Nhwc;
