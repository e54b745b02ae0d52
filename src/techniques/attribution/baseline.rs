//! The picture that counts as "nothing".

use super::subject::Subject;
use crate::error::Result;
use crate::optim::gaussian_blur;
use crate::techniques::api::{ParamKind, ParamSpec, Params};
use candle_core::Tensor;

/// Standard deviation of the blurred baseline, in pixels.
const BLUR: f64 = 10.0;

/// Which picture stands for the absence of everything.
pub(super) const BASELINE: ParamSpec = ParamSpec {
    name: "baseline",
    kind: ParamKind::Choice { options: &["zero", "black", "white", "blur"], default: "zero" },
    unit: "",
    help: "what counts as nothing: zeros of the model's input (its grey), black, white, or the photo blurred",
    live: false,
};

/// The baseline `[1, C, H, W]` in input space.
pub(super) fn baseline(subject: &Subject, params: &Params) -> Result<Tensor> {
    let x = subject.input();
    let pixels =
        |value: f64| -> Result<Tensor> { subject.model().input().input_from_pixels(&(x.ones_like()? * value)?) };
    match params.choice("baseline") {
        "black" => pixels(0.0),
        "white" => pixels(1.0),
        "blur" => gaussian_blur(x, BLUR),
        _ => Ok(x.zeros_like()?),
    }
}

/// The input where a mask `[N, 1, H, W]` is 1 and the baseline where it is 0, `[N, C, H, W]`.
pub(super) fn shown_of(subject: &Subject, baseline: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let way = (subject.input() - baseline)?;
    Ok(way.broadcast_mul(mask)?.broadcast_add(baseline)?)
}

/// By how much an attribution misses the difference it should add up to: Σ − (z_c(x) − z_c(baseline)), given the
/// latter, so that a live method asks for it once.
pub(super) fn completeness_gap(subject: &Subject, attribution: &Tensor, of_baseline: f32) -> Result<f64> {
    Ok(total(attribution)? - (f64::from(subject.score()) - f64::from(of_baseline)))
}

/// The sum of all values, in double precision.
pub(super) fn total(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).sum())
}
