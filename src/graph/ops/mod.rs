//! The operators: a file each, or one for a family that shares everything but a formula.

mod concat;
mod constant;
mod convolution;
mod gather;
mod input;
mod linear;
mod matmul;
mod pooling;
mod prelude;
mod rectifier;
mod repeat;
mod reshape;
mod select;
mod slice;
mod softmax;
mod sum;
mod transpose;
mod weighted;

pub use concat::Concat;
pub use constant::Constant;
pub use convolution::Convolution;
pub use gather::Gather;
pub use linear::Linear;
pub use matmul::MatMul;
pub use pooling::{GlobalAveragePooling, MaxPooling};
pub use rectifier::Rectifier;
pub use repeat::{Expand, Tile};
pub use reshape::Reshape;
pub use select::Select;
pub use slice::{Range, Slice};
pub use softmax::Softmax;
pub use sum::Sum;
pub use transpose::Transpose;

pub(super) use input::Input;
