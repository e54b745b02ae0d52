//! What a model can paint.

mod colours;
mod features;
mod losses;
mod objective;
mod style_transfer;
mod transfer;
mod wasserstein;

pub use losses::{StyleLoss, gram};
pub use objective::{AUTO, LossWeights, Losses, Objective, Recipe};

use super::api::Technique;

/// Every style technique.
pub static STYLES: &[&dyn Technique] = &[&style_transfer::StyleTransfer];
