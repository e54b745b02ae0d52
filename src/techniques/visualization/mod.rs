//! What a class, a channel or a layer looks like to a model.

mod ascent;
mod class_visualization;
mod deepdream;
mod feature_visualization;
mod image;
mod response;

use super::api::Technique;

/// Every visualization, in the order of the dashboard's arrow keys.
pub static VISUALIZATIONS: &[&dyn Technique] =
    &[&class_visualization::ClassVisualization, &feature_visualization::FeatureVisualization, &deepdream::DeepDream];
