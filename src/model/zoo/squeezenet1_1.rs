//! SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360, with the cheaper layout of the authors' release 1.1), in
//! torchvision's names.

use crate::error::Result;
use crate::graph::ops::{Concat, Convolution, GlobalAveragePooling, MaxPooling, Rectifier};
use crate::graph::{GraphBuilder, LayerName, NodeId};
use crate::kernels::{Conv2d, ConvShape, MaxPool, Padding, WindowShape};
use crate::model::{ChannelOrder, Input, Model, Output, Provenance, Resize, Roles, Store};
use candle_core::Device;

/// Its id on the command line.
pub const ID: &str = "squeezenet1_1";

/// Position in torchvision's `features`, channels squeezed to, channels of each expansion; poolings stand between.
const FIRES: [(usize, usize, usize); 8] =
    [(3, 16, 64), (4, 16, 64), (6, 32, 128), (7, 32, 128), (9, 48, 192), (10, 48, 192), (11, 64, 256), (12, 64, 256)];
/// Usual height and width.
const SIZE: [usize; 2] = [224; 2];
const STEM: usize = 64;
const CLASSES: usize = 1000;

/// Builds the network. Layers: `stem`, `fireN` (both expansions joined), `head` (the class map), `logits`.
///
/// # Errors
/// [`crate::Error::BadWeights`] if a tensor is missing or misshapen.
pub fn build(weights: &Store<'_>, provenance: Provenance, device: &Device) -> Result<Model> {
    let mut net = Squeeze { graph: GraphBuilder::new(3, SIZE), weights };
    let input = net.graph.input();
    let mut x = net.conv(input, "features.0", [STEM, 3, 3, 3], 2, 0)?;
    net.graph.name(x, "stem")?;
    let mut channels = STEM;
    for (n, (index, squeezed, expanded)) in FIRES.into_iter().enumerate() {
        // A pooling stands wherever torchvision's numbers leave room for one.
        if n == 0 || index > FIRES[n - 1].0 + 1 {
            let pool = MaxPool { window: WindowShape { ceil: true, ..WindowShape::square(3, 2) } };
            x = net.graph.add(MaxPooling::new(pool), &[x])?;
        }
        let at = |part: &str| format!("features.{index}.{part}");
        let narrow = net.conv(x, &at("squeeze"), [squeezed, channels, 1, 1], 1, 0)?;
        let points = net.conv(narrow, &at("expand1x1"), [expanded, squeezed, 1, 1], 1, 0)?;
        let squares = net.conv(narrow, &at("expand3x3"), [expanded, squeezed, 3, 3], 1, 1)?;
        x = net.graph.add(Concat::CHANNELS, &[points, squares])?;
        net.graph.name(x, format!("fire{}", n + 2))?;
        channels = 2 * expanded;
    }
    x = net.conv(x, "classifier.1", [CLASSES, channels, 1, 1], 1, 0)?;
    net.graph.name(x, "head")?;
    x = net.graph.add(GlobalAveragePooling, &[x])?;
    net.graph.name(x, LayerName::LOGITS)?;
    let input = Input {
        channels: ChannelOrder::Rgb,
        size: SIZE,
        any_size: true,
        range: 255.0,
        mean: vec![123.675, 116.28, 103.53],
        std: vec![58.395, 57.12, 57.375],
        resize: Resize::default(),
    };
    // What follows is a map for each class.
    let roles = Roles { cam: Some("fire9".into()), ..Roles::default() };
    Model::new(ID, net.graph.build(device.clone())?, input, Some(Output::imagenet()), roles, provenance)
}

struct Squeeze<'a> {
    graph: GraphBuilder,
    weights: &'a Store<'a>,
}

impl Squeeze<'_> {
    fn conv(&mut self, x: NodeId, name: &str, shape: [usize; 4], stride: usize, padding: usize) -> Result<NodeId> {
        let kernel = self.weights.get(&format!("{name}.weight"), &shape)?;
        let bias = self.weights.get(&format!("{name}.bias"), &shape[..1])?;
        let shape = ConvShape { stride: [stride; 2], padding: Padding::uniform(padding), ..ConvShape::default() };
        let conv = Conv2d::new(kernel, Some(bias), shape)?;
        let x = self.graph.add(Convolution::new(conv), &[x])?;
        self.graph.add(Rectifier::RELU, &[x])
    }
}
