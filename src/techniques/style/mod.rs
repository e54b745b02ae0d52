//! What a model can paint.

mod colours;
mod features;
mod losses;
mod objective;
mod style_transfer;
mod transfer;
mod wasserstein;

pub use losses::{StyleLoss, gram};
pub use objective::{AUTO, Losses, Objective, Recipe, Weights};
pub use style_transfer::StyleTransfer;
