//! What a class, a channel or a layer looks like to a model.

mod ascent;
mod class_visualization;
mod deepdream;
mod feature_visualization;
mod image;
mod response;

pub use class_visualization::ClassVisualization;
pub use deepdream::DeepDream;
pub use feature_visualization::FeatureVisualization;
