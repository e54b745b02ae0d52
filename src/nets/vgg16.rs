//! VGG16's features (Simonyan & Zisserman 2015) through conv4_3, in torchvision's names.

use super::network::{GraphBuilder, Network, Op};
use super::preprocess::Preprocess;
use super::weights::Store;
use crate::error::Result;
use crate::kernels::{Activation, Conv2d, MaxPool, Padding};
use candle_core::Device;

/// Channels and number of convolutions of each block.
const BLOCKS: [(usize, usize); 4] = [(64, 2), (128, 2), (256, 3), (512, 3)];

/// Builds the network. Layers: `reluB_C` (convolution C of block B, after its ReLU) and `poolB`.
///
/// # Errors
/// [`crate::Error::BadWeights`] if a tensor is missing or misshapen.
pub fn build(weights: &Store<'_>, device: &Device) -> Result<Network> {
    let mut graph = GraphBuilder::new();
    let mut x = graph.input();
    let mut channels = 3;
    // Position in torchvision's `features`, which counts convolutions, ReLUs and poolings alike.
    let mut index = 0;
    for (block, (out, convs)) in BLOCKS.into_iter().enumerate() {
        if block > 0 {
            x = graph.add(Op::MaxPool(MaxPool { kernel: 2, stride: 2, padding: 0, ceil: false }), &[x]);
            graph.name(x, format!("pool{block}"));
            index += 1;
        }
        for conv in 1..=convs {
            let kernel = weights.get(&format!("features.{index}.weight"), &[out, channels, 3, 3])?;
            let bias = weights.get(&format!("features.{index}.bias"), &[out])?;
            let layer = Conv2d::new(kernel, Some(bias), 1, Padding::Explicit(1), 1)?;
            x = graph.add(Op::conv(layer), &[x]);
            x = graph.add(Op::Activation(Activation::Relu), &[x]);
            graph.name(x, format!("relu{}_{conv}", block + 1));
            channels = out;
            index += 2;
        }
    }
    let preprocess = Preprocess { bgr: true, mean: [103.939, 116.779, 123.68], std: [1.0, 1.0, 1.0], size: None };
    Ok(graph.build("vgg16_hed", preprocess, "relu4_3", device.clone()))
}
