//! Architectures for weights that bring no graph: those built by hand, one file each, and the packed ones of other
//! people's checkpoints.

pub mod architectures;
pub mod efficientnet_lite0;
pub mod squeezenet1_1;
pub mod vgg16;
