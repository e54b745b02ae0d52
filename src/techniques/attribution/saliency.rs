//! Saliency: which pixels move the class score most.

use super::super::{Context, Group, Job, Needs, Params, Technique, pixels::heat_from_tensor};
use super::{Attribution, NEEDS, OneShot, Subject};
use crate::error::Result;
use crate::imaging::Array;
use crate::kernels::ReluRule;
use crate::nets::LayerName;

/// The maximum over channels of |∂z_c/∂x|; the attribution is |∂z_c/∂x| `[3, H, W]` in the network's input
/// space, as Captum's `Saliency` with `abs=True`.
pub struct Saliency;

impl Technique for Saliency {
    fn id(&self) -> &'static str {
        "saliency"
    }
    fn group(&self) -> Group {
        Group::Attribution
    }
    fn about(&self) -> &'static str {
        "the pixels that move the class score most: the largest |gradient| over the channels"
    }
    fn reference(&self) -> &'static str {
        "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034"
    }
    fn needs(&self) -> Needs {
        NEEDS
    }
    fn start(&self, context: Context, _params: Params) -> Result<Box<dyn Job>> {
        Ok(OneShot::boxed(Subject::new(self.id(), context)?, false, saliency))
    }
}

fn saliency(subject: &Subject) -> Result<Attribution> {
    let pass = subject.forward(&[])?;
    let gradients = subject.backward(&pass, &[LayerName::INPUT.into()], ReluRule::Standard)?;
    let magnitude = gradients.input()?.squeeze(0)?.abs()?;
    let heat = heat_from_tensor(&magnitude.max(0)?)?;
    let channels = Array { shape: magnitude.dims().to_vec(), values: magnitude.flatten_all()?.to_vec1()? };
    Ok(pass.explained(heat, Some(channels)))
}
