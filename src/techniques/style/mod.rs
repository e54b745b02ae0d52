//! What a model can paint.

mod colours;
mod losses;
mod objective;
mod painting;
mod style_transfer;
mod wasserstein;

pub use losses::{StyleLoss, gram};
pub use objective::{CONTENT_LAYERS, Losses, Objective, Recipe, STYLE_LAYERS, Weights};
pub use style_transfer::StyleTransfer;
