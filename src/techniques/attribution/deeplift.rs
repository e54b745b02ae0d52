//! DeepLIFT: what each pixel's difference from nothing adds to the score's difference.

use super::baseline::{BASELINE, baseline, completeness_gap};
use super::method::{Attribution, Explain, Method};
use super::subject::Subject;
use crate::error::Result;
use crate::techniques::api::Params;

/// (x − b) ⊙ m, m the multipliers from the logit to the input under the rescale rule: a rectifier's multiplier is
/// Δy/Δx between the passes over x and over b, a linear layer's is its weights. `[C, H, W]`, summed over the channels for
/// the map. The parts add up to z_c(x) − z_c(b) up to rounding (`completeness_gap`). As Captum's `DeepLift`.
pub(super) static METHOD: Method = Method {
    id: "deeplift",
    about: "what each pixel's difference from nothing adds to the score's difference, in one backward pass",
    definition: "(x − b) ⊙ m, m the multipliers Δz_c/Δx under the rescale rule, b = 0; summed over channels",
    reference: "Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685",
    layer: false,
    params: &[BASELINE],
    explain: Explain::Once(deeplift),
};

fn deeplift(subject: &Subject, params: &Params) -> Result<Attribution> {
    let baseline = baseline(subject, params)?;
    let graph = subject.graph();
    let (at, reference) = (graph.trace(subject.input())?, graph.trace(&baseline)?);
    let multipliers = graph.deeplift(&at, &reference, &subject.logit_seed()?)?;
    let attribution = ((subject.input() - &baseline)? * multipliers)?;
    let of_baseline = reference.logits()?.flatten_all()?.to_vec1::<f32>()?[subject.class];
    let gap = completeness_gap(subject, &attribution, of_baseline)?;
    Ok(Attribution::summed(&attribution)?.with("completeness_gap", gap))
}
