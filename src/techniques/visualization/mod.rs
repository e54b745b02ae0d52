//! What a class looks like to a network.

mod class_visualization;

pub use class_visualization::ClassVisualization;
