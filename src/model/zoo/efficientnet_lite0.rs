//! EfficientNet-Lite0 (Tan & Le 2019, the "lite" variant without squeeze-and-excite), in timm's names.

use crate::error::Result;
use crate::graph::ops::{Convolution, GlobalAveragePooling, Rectifier, Sum};
use crate::graph::{GraphBuilder, LayerName, NodeId};
use crate::kernels::{Conv2d, ConvShape, Padding};
use crate::model::{ChannelOrder, Input, Model, Output, Provenance, Resize, Roles, Store};
use candle_core::Device;

/// Its id on the command line.
pub const ID: &str = "tf_efficientnet_lite0";

/// One stage: expansion, depthwise kernel, stride of its first block, output channels, blocks.
struct Stage {
    expand: usize,
    kernel: usize,
    stride: usize,
    out: usize,
    blocks: usize,
}

const fn stage(expand: usize, kernel: usize, stride: usize, out: usize, blocks: usize) -> Stage {
    Stage { expand, kernel, stride, out, blocks }
}

const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 16, 1),
    stage(6, 3, 2, 24, 2),
    stage(6, 5, 2, 40, 2),
    stage(6, 3, 2, 80, 3),
    stage(6, 5, 1, 112, 3),
    stage(6, 5, 2, 192, 4),
    stage(6, 3, 1, 320, 1),
];
/// Usual height and width.
const SIZE: [usize; 2] = [224; 2];
const STEM: usize = 32;
const HEAD: usize = 1280;
const CLASSES: usize = 1000;
const BATCH_NORM_EPSILON: f64 = 1e-3;

/// Builds the network. Layers: `stem`, `blocks.S.B` (after the residual sum), `head` (after its ReLU6),
/// `pool`, `logits`.
///
/// # Errors
/// [`crate::Error::BadWeights`] if a tensor is missing or misshapen.
pub fn build(weights: &Store<'_>, provenance: Provenance, device: &Device) -> Result<Model> {
    let mut net = Lite { graph: GraphBuilder::new(3, SIZE), weights };
    let input = net.graph.input();
    let mut x = net.conv(input, "conv_stem", "bn1", [STEM, 3, 3, 3], 2, 1, true)?;
    net.graph.name(x, "stem")?;
    let mut channels = STEM;
    for (s, stage) in STAGES.iter().enumerate() {
        for b in 0..stage.blocks {
            let stride = if b == 0 { stage.stride } else { 1 };
            x = net.block(x, &format!("blocks.{s}.{b}"), stage, channels, stride)?;
            channels = stage.out;
        }
    }
    x = net.conv(x, "conv_head", "bn2", [HEAD, channels, 1, 1], 1, 1, true)?;
    net.graph.name(x, "head")?;
    x = net.graph.add(GlobalAveragePooling, &[x])?;
    net.graph.name(x, "pool")?;
    let kernel = weights.get("classifier.weight", &[CLASSES, HEAD])?.reshape((CLASSES, HEAD, 1, 1))?;
    let bias = weights.get("classifier.bias", &[CLASSES])?;
    let classifier = Conv2d::new(kernel, Some(bias), ConvShape::default())?;
    x = net.graph.add(Convolution::new(classifier), &[x])?;
    net.graph.name(x, LayerName::LOGITS)?;
    let input = Input {
        channels: ChannelOrder::Rgb,
        size: SIZE,
        any_size: true,
        range: 255.0,
        mean: vec![127.0; 3],
        std: vec![128.0; 3],
        resize: Resize::default(),
    };
    let roles = Roles { dream: Some("blocks.4.1".into()), ..Roles::default() };
    Model::new(ID, net.graph.build(device.clone())?, input, Some(Output::imagenet()), roles, provenance)
}

struct Lite<'a> {
    graph: GraphBuilder,
    weights: &'a Store<'a>,
}

impl Lite<'_> {
    #[expect(clippy::too_many_arguments, reason = "the facts of one convolution, all different at every call")]
    fn conv(
        &mut self,
        x: NodeId,
        conv: &str,
        norm: &str,
        shape: [usize; 4],
        stride: usize,
        groups: usize,
        rectified: bool,
    ) -> Result<NodeId> {
        let (kernel, scale, bias) = self.weights.normalised(conv, norm, shape, BATCH_NORM_EPSILON)?;
        let shape = ConvShape { stride: [stride; 2], padding: Padding::SameUpper, groups, ..ConvShape::default() };
        let conv = Conv2d::new(kernel, Some(bias), shape)?.scaled(scale)?;
        let x = self.graph.add(Convolution::new(conv), &[x])?;
        if rectified { self.graph.add(Rectifier::RELU6, &[x]) } else { Ok(x) }
    }

    /// Expand (where the stage does), depthwise, project; the input is added where it fits.
    fn block(&mut self, x: NodeId, name: &str, stage: &Stage, channels: usize, stride: usize) -> Result<NodeId> {
        let at = |part: &str| format!("{name}.{part}");
        let inner = channels * stage.expand;
        let k = stage.kernel;
        let mut y = x;
        let (dw_norm, project, project_norm) = if stage.expand > 1 {
            y = self.conv(y, &at("conv_pw"), &at("bn1"), [inner, channels, 1, 1], 1, 1, true)?;
            ("bn2", "conv_pwl", "bn3")
        } else {
            ("bn1", "conv_pw", "bn2")
        };
        y = self.conv(y, &at("conv_dw"), &at(dw_norm), [inner, 1, k, k], stride, inner, true)?;
        y = self.conv(y, &at(project), &at(project_norm), [stage.out, inner, 1, 1], 1, 1, false)?;
        if stride == 1 && channels == stage.out {
            y = self.graph.add(Sum, &[y, x])?;
        }
        self.graph.name(y, name)?;
        Ok(y)
    }
}
