//! How a picture is changed: optimisers and the random and smoothing transformations between steps.
//!
//! Nothing here keeps a random generator: what a step draws follows from the run's seed and the step's number,
//! so that a run can be taken up anywhere and give the same picture.

mod adam;
mod lbfgs;
mod norm;
mod parameterisation;
mod random;
mod resample;
mod transforms;
mod warp;

pub use adam::Adam;
pub use lbfgs::{Lbfgs, Moved, Slope};
pub use norm::{length, unit};
pub use parameterisation::{Basis, Parameterisation};
pub use random::{noise, step_rng};
pub use resample::{Corners, bilinear};
pub use transforms::{gaussian_blur, jitter, total_variation};
pub use warp::{Transforms, Warp};
