//! Forward and vector–Jacobian kernels of frozen layers.
//!
//! Every layer kind has `forward(x) → y` and `vjp(…, ∂y) → ∂x`; none of them ever computes the gradient of a
//! weight. A [`Map`] says where a feature map lives: `cpu` kernels work on channels-last buffers and find the
//! vector width at run time, `candle_ops` runs the same mathematics with candle operations on any candle
//! device (CUDA, Metal, or the CPU to check one set against the other).

mod activation;
mod apply;
mod axes;
mod broadcast;
mod candle_ops;
mod channel;
mod conv;
mod conv_transpose;
mod cpu;
mod distance;
mod filter;
mod function;
mod geometry;
mod gram;
mod join;
mod map;
mod normalise;
mod pool;
mod rearrange;
mod rectifier;
mod reduce;
mod resize;
mod separable;
mod size;
mod softmax;
mod threads;

pub use activation::Gate;
pub use axes::Axes;
pub use broadcast::{Binary, Side, broadcast_shape};
pub use channel::{ChannelAffine, ParametricRelu};
pub use conv::{Conv2d, ConvShape};
pub use conv_transpose::ConvTranspose2d;
pub use function::Function;
pub use geometry::{Padding, WindowShape};
pub use join::{add, concat, concat_vjp};
pub use map::{KernelSet, Map};
pub use normalise::{LocalResponseNorm, Normalise, NormalisedOver};
pub use pool::{AvgPool, GlobalAvgPool, MaxPool};
pub use rearrange::{BlockOrder, DepthToSpace, Pad, PadMode, Slice, Steps, gather_channels, shuffled_channels};
pub use rectifier::{Activation, ReluRule};
pub use reduce::Reduction;
pub use resize::{Coordinates, Interpolation, Resize, Rounding, Target};
pub use separable::Separable;
pub use softmax::{DivideByNorm, Norm, Softmax};
pub use threads::in_pool;

/// Bytes of memory that kernels hold and do not use: the next maps are made of them.
#[must_use]
pub fn bytes_at_rest() -> usize {
    cpu::bytes_at_rest()
}
