//! Grad-CAM: where the features stand that speak for the class.

use super::super::{Context, Group, Job, Need, Needs, Params, Technique, pixels::heat_from_tensor};
use super::{Attribution, NEEDS, OneShot, Subject};
use crate::error::Result;
use crate::kernels::ReluRule;

/// relu(Σ_k mean(∂z_c/∂A_k) · A_k) over the channels k of a layer's activations A, at the layer's own resolution.
pub struct GradCam;

impl Technique for GradCam {
    fn id(&self) -> &'static str {
        "gradcam"
    }
    fn group(&self) -> Group {
        Group::Attribution
    }
    fn about(&self) -> &'static str {
        "where the features stand that speak for the class: a layer's channels weighted by their mean gradient"
    }
    fn reference(&self) -> &'static str {
        "Selvaraju et al. 2017, arXiv:1610.02391"
    }
    fn needs(&self) -> Needs {
        Needs { layer: Need::Optional, ..NEEDS }
    }
    fn start(&self, context: Context, _params: Params) -> Result<Box<dyn Job>> {
        Ok(OneShot::boxed(Subject::new(self.id(), context)?, true, gradcam))
    }
}

fn gradcam(subject: &Subject) -> Result<Attribution> {
    let layer = &subject.layer;
    let pass = subject.forward(&[layer])?;
    let gradients = subject.backward(&pass, std::slice::from_ref(layer), ReluRule::Standard)?;
    let weights = gradients.get(layer)?.mean_keepdim((2, 3))?;
    let map = pass.activations.get(layer)?.broadcast_mul(&weights)?.sum(1)?.squeeze(0)?.relu()?;
    Ok(pass.explained(heat_from_tensor(&map)?, None))
}
