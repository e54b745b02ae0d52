//! Architectures for weights that bring no graph: one file each.

pub mod efficientnet_lite0;
pub mod squeezenet1_1;
pub mod vgg16;
