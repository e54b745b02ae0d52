//! What a network can paint.

mod losses;
mod objective;
mod style_transfer;

pub use losses::gram;
pub use objective::{Losses, Objective, Weights};
pub use style_transfer::StyleTransfer;
