//! FullGrad: what the input and every bias add to the score.

use super::baseline::total;
use super::method::{Attribution, Explain, Method};
use super::subject::Subject;
use crate::error::Result;
use crate::optim::{Corners, bilinear};
use candle_core::Tensor;

/// ψ(x⊙∂z_c/∂x) + Σ_layers ψ(b⊙∂z_c/∂b), summed over channels; ψ takes magnitudes, scales each layer's to 0–1 and enlarges
/// it bilinearly (corners aligned), as the authors' code. Biases include the folded batch-norm's and the caps of
/// saturated ReLU6 units, so that input and biases together are the score exactly (`completeness_gap`).
pub(super) static METHOD: Method = Method {
    id: "fullgrad",
    about: "what the input and every bias of the model add to the class score, layer by layer",
    definition: "Σ over channels of ψ(x⊙∂z_c/∂x) + Σ_layers ψ(b⊙∂z_c/∂b), ψ: magnitude, scaled to 0–1, upsampled bilinearly",
    reference: "Srinivas & Fleuret 2019, arXiv:1905.00780",
    layer: false,
    params: &[],
    explain: Explain::Once(|subject, _| fullgrad(subject)),
};

fn fullgrad(subject: &Subject) -> Result<Attribution> {
    let x = subject.input();
    let (_, _, h, w) = x.dims4()?;
    let trace = subject.graph().trace(x)?;
    let (biases, gradients) = subject.graph().bias_terms(&trace, &subject.logit_seed()?)?;
    let of_input = (x * gradients.input()?)?;
    let mut map = scaled(&of_input)?.sum((0, 1))?;
    let mut sum = total(&of_input)?;
    for term in biases {
        sum += total(&term)?;
        let (_, _, height, width) = term.dims4()?;
        // After the pooling there is no place to point at.
        if height * width > 1 {
            // Enlarging is linear: the sum over channels comes first.
            let flat = scaled(&term)?.sum_keepdim(1)?;
            map = (map + bilinear(&flat, (h, w), Corners::Aligned)?.squeeze(0)?.squeeze(0)?)?;
        }
    }
    Ok(Attribution::map(&map)?.with("completeness_gap", sum - f64::from(subject.score())))
}

/// Magnitudes scaled to 0–1 over the whole layer.
fn scaled(x: &Tensor) -> Result<Tensor> {
    let x = x.abs()?;
    let x = x.broadcast_sub(&x.min_all()?)?;
    Ok(x.broadcast_div(&(x.max_all()? + 1e-6)?)?)
}
