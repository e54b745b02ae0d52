//! The operators: a file each, or one for a family that shares everything but a formula.

mod concat;
mod convolution;
mod input;
mod pooling;
mod prelude;
mod rectifier;
mod sum;
mod weighted;

pub use concat::Concat;
pub use convolution::Convolution;
pub use pooling::{GlobalAveragePooling, MaxPooling};
pub use rectifier::Rectifier;
pub use sum::Sum;

pub(super) use input::Input;
