//! Guided Grad-CAM: fine edges where Grad-CAM looks.

use super::gradcam;
use super::method::{Attribution, Explain, Method};
use crate::kernels::ReluRule;
use candle_core::Tensor;

/// Guided backpropagation `[C, H, W]` times Grad-CAM brought to the input's size by nearest neighbours, as Captum's
/// `GuidedGradCam`; summed over the channels for the map.
pub(super) static METHOD: Method = Method {
    id: "guided-gradcam",
    about: "fine edges where Grad-CAM looks: guided backpropagation times Grad-CAM",
    definition: "guided-backprop × nearest-upsampled gradcam; summed over channels",
    reference: "Selvaraju et al. 2017, arXiv:1610.02391",
    layer: true,
    params: &[],
    explain: Explain::Once(|subject, _| {
        let planes = subject.planes()?;
        let (_, _, h, w) = subject.input().dims4()?;
        let shape = (1, 1, planes.height, planes.width);
        let map = Tensor::from_vec(gradcam::formula(&planes), shape, subject.input().device())?;
        let coarse = map.upsample_nearest2d(h, w)?;
        Attribution::summed(&subject.input_gradient_by(ReluRule::Guided)?.broadcast_mul(&coarse)?)
    }),
};
