//! gradlens: a terminal microscope for convolutional networks.
pub mod error;
pub mod kernels;
pub mod nets;
pub use error::{Error, Result};
