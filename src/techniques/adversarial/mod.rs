//! How a network is fooled.

mod fooling;

pub use fooling::Fooling;
