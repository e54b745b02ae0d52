//! A network for a pass or two.

use super::network::Graph;
use super::ops::Convolution;
use std::any::Any;
use std::sync::Arc;

impl Graph {
    /// This network for a pass or two, with the same weights in memory: see [`crate::kernels::Conv2d::once`].
    #[must_use]
    pub fn once(&self) -> Self {
        let mut copy = self.clone();
        for node in &mut copy.nodes {
            let op: &dyn Any = node.op.as_ref();
            if let Some(Convolution(conv)) = op.downcast_ref() {
                node.op = Arc::new(Convolution(conv.once()));
            }
        }
        copy
    }
}
