//! gradlens: a terminal microscope for convolutional networks.
#![warn(clippy::print_stdout, clippy::print_stderr)]
pub mod bench;
pub mod cli;
pub mod engine;
pub mod error;
pub mod graph;
pub mod imaging;
pub mod kernels;
pub mod memory;
pub mod model;
pub mod optim;
pub mod picture;
pub mod techniques;
pub mod tui;
pub use error::{Error, Result};
