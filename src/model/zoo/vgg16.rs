//! VGG16's features (Simonyan & Zisserman 2015) through conv4_3, in torchvision's names.

use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::graph::ops::{Convolution, MaxPooling, Rectifier};
use crate::kernels::{Conv2d, ConvShape, MaxPool, Padding, WindowShape};
use crate::model::{ChannelOrder, Input, Model, Provenance, Resize, Roles, Store};
use candle_core::Device;

/// Its id on the command line.
pub const ID: &str = "vgg16_hed";

/// Usual height and width.
const SIZE: [usize; 2] = [256; 2];
/// Channels and number of convolutions of each block.
const BLOCKS: [(usize, usize); 4] = [(64, 2), (128, 2), (256, 3), (512, 3)];

/// Builds the network. Layers: `reluB_C` (convolution C of block B, after its ReLU) and `poolB`.
///
/// # Errors
/// [`crate::Error::BadWeights`] if a tensor is missing or misshapen.
pub fn build(weights: &Store<'_>, provenance: Provenance, device: &Device) -> Result<Model> {
    let mut graph = GraphBuilder::new(3, SIZE);
    let mut x = graph.input();
    let mut channels = 3;
    // Position in torchvision's `features`, which counts convolutions, ReLUs and poolings alike.
    let mut index = 0;
    for (block, (out, convs)) in BLOCKS.into_iter().enumerate() {
        if block > 0 {
            x = graph.add(MaxPooling::new(MaxPool { window: WindowShape::square(2, 2) }), &[x])?;
            graph.name(x, format!("pool{block}"))?;
            index += 1;
        }
        for conv in 1..=convs {
            let kernel = weights.get(&format!("features.{index}.weight"), &[out, channels, 3, 3])?;
            let bias = weights.get(&format!("features.{index}.bias"), &[out])?;
            let layer =
                Conv2d::new(kernel, Some(bias), ConvShape { padding: Padding::uniform(1), ..ConvShape::default() })?;
            x = graph.add(Convolution::new(layer), &[x])?;
            x = graph.add(Rectifier::RELU, &[x])?;
            graph.name(x, format!("relu{}_{conv}", block + 1))?;
            channels = out;
            index += 2;
        }
    }
    let input = Input {
        channels: ChannelOrder::Bgr,
        size: SIZE,
        any_size: true,
        range: 255.0,
        mean: vec![103.939, 116.779, 123.68],
        std: vec![1.0; 3],
        resize: Resize::default(),
    };
    let roles = Roles {
        cam: Some("relu4_3".into()),
        content: vec!["relu3_2".into()],
        style: ["relu1_1", "relu2_1", "relu3_1", "relu4_1"].map(Into::into).to_vec(),
        dream: Some("relu4_3".into()),
        ..Roles::default()
    };
    Model::new(ID, graph.build(device.clone())?, input, None, roles, provenance)
}
