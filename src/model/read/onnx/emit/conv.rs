//! Layers that slide a window or sum over an axis.

use super::super::Refusal;
use super::super::ir::Node;
use super::super::op::{Convolution, Window};
use super::Emitter;
use crate::graph::{NodeId, ops};
use crate::kernels::{AvgPool, Conv2d, ConvShape, ConvTranspose2d, MaxPool, Padding, WindowShape};

/// Pads above, left, below, right.
fn padding(pads: [usize; 4]) -> Padding {
    Padding::Explicit(pads)
}

fn conv_shape(shape: &Convolution) -> ConvShape {
    ConvShape { stride: shape.strides, padding: padding(shape.pads), dilation: shape.dilations, groups: shape.groups }
}

impl Emitter<'_> {
    pub(super) fn convolution(&mut self, node: &Node, shape: &Convolution) -> Result<NodeId, Refusal> {
        let (weight, bias, scale) = (self.due(node, 1)?, self.weight(node, 2)?, self.weight(node, 3)?);
        let conv = Conv2d::new(weight, bias, conv_shape(shape));
        let conv = conv
            .and_then(|conv| scale.into_iter().try_fold(conv, |conv, scale| conv.scaled(scale)))
            .map_err(Refusal::new)?;
        self.put_on_first(ops::Convolution::new(conv), node)
    }

    pub(super) fn transposed_convolution(&mut self, node: &Node, shape: &Convolution) -> Result<NodeId, Refusal> {
        let (weight, bias, scale) = (self.due(node, 1)?, self.weight(node, 2)?, self.weight(node, 3)?);
        let (input, output) = (self.input_shape(node), self.shape(node));
        let kernel = weight.dims().to_vec();
        // What the output is longer than strides, kernel and pads make it.
        let more = |side: usize| {
            let reach = shape.dilations[side] * (kernel[2 + side] - 1) + 1;
            let length = (input[2 + side] - 1) * shape.strides[side] + reach;
            (output[2 + side] + shape.pads[side] + shape.pads[2 + side]).checked_sub(length)
        };
        let [Some(below), Some(right)] = [more(0), more(1)] else {
            return Err(Refusal::new("its output is smaller than its strides, kernel and pads make it"));
        };
        let conv = ConvTranspose2d::new(&weight, bias, conv_shape(shape), [below, right]);
        let conv =
            conv.and_then(|conv| scale.into_iter().try_fold(conv, ConvTranspose2d::scaled)).map_err(Refusal::new)?;
        self.put_on_first(ops::TransposedConvolution::new(conv), node)
    }

    pub(super) fn linear(&mut self, node: &Node, axis: usize, transposed: bool) -> Result<NodeId, Refusal> {
        let (mut weight, bias) = (self.due(node, 1)?, self.weight(node, 2)?);
        if !transposed {
            weight = weight.t().and_then(|w| w.contiguous()).map_err(Refusal::new)?;
        }
        let linear = ops::Linear::new(&weight, bias, axis).map_err(Refusal::new)?;
        self.put_on_first(linear, node)
    }

    pub(super) fn max_pooling(&mut self, node: &Node, window: &Window) -> Result<NodeId, Refusal> {
        let window = self.window(node, window);
        self.put(ops::MaxPooling::new(MaxPool { window }), node)
    }

    pub(super) fn average_pooling(
        &mut self,
        node: &Node,
        window: &Window,
        count_include_pad: bool,
    ) -> Result<NodeId, Refusal> {
        let window = self.window(node, window);
        self.put(ops::AveragePooling::new(AvgPool { window, count_include_pad }), node)
    }

    /// A window whose last, partial places count where the output's shape says so.
    fn window(&self, node: &Node, window: &Window) -> WindowShape {
        let (input, output) = (self.input_shape(node), self.shape(node));
        let whole = |side: usize| {
            let reach = window.dilations[side] * (window.kernel[side] - 1) + 1;
            let room = (input[2 + side] + window.pads[side] + window.pads[2 + side]).saturating_sub(reach);
            room / window.strides[side] + 1
        };
        let ceil = (0..2).any(|side| output[2 + side] > whole(side));
        WindowShape {
            kernel: window.kernel,
            stride: window.strides,
            padding: padding(window.pads),
            dilation: window.dilations,
            ceil,
        }
    }
}
