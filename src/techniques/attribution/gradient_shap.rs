//! GradientSHAP: Shapley values guessed from gradients along random ways.

use super::baseline::{BASELINE, baseline, completeness_gap};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE, samples};
use super::subject::Subject;
use crate::error::Result;
use crate::graph::LayerName;
use crate::optim::{noise, step_rng};
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::Tensor;
use rand::Rng;

/// The mean over samples of (x̃ − b) ⊙ ∂z_c/∂x at b + α(x̃ − b), with x̃ = x + N(0, σ²) and α uniform in `[0, 1]`: expected
/// gradients with one baseline, as Captum's `GradientShap`, `[C, H, W]`; summed over the channels for the map. Without
/// noise its expectation is integrated gradients.
pub(super) static METHOD: Method = Method {
    id: "gradient-shap",
    about: "Shapley values guessed from gradients at random points between nothing and noisy copies of the photo",
    definition: "mean of (x̃ − b) ⊙ ∂z_c/∂x(b + α(x̃ − b)), x̃ = x + N(0, σ²), α uniform in [0, 1]; summed over channels",
    reference: "Lundberg & Lee 2017, arXiv:1705.07874; Erion et al. 2019, arXiv:1906.10670",
    layer: false,
    params: &[
        samples(50),
        ParamSpec {
            name: "noise",
            kind: ParamKind::Float { min: 0.0, max: 10.0, default: 0.1 },
            unit: "",
            help: "standard deviation σ of the noise, in the model's input space",
            live: false,
        },
        BASELINE,
        TOLERANCE,
    ],
    explain: Explain::Live(start),
};

struct GradientShap {
    samples: usize,
    sigma: f64,
    baseline: Tensor,
    /// z_c of the baseline.
    of_baseline: f32,
    sum: Tensor,
    drawn: usize,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let (samples, sigma) = (params.count("samples"), params.float("noise"));
    let (baseline, sum) = (baseline(subject, params)?, subject.input().zeros_like()?);
    let of_baseline = subject.scores_of(&baseline)?[0];
    Ok(Box::new(GradientShap { samples, sigma, baseline, of_baseline, sum, drawn: 0 }))
}

impl Estimator for GradientShap {
    fn total(&self) -> usize {
        self.samples
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let x = subject.input();
        let mut rng = step_rng(subject.seed, number);
        let alpha: f64 = rng.random();
        let noisy = (x + (noise(&mut rng, x.dims(), x.device())? * self.sigma)?)?;
        let way = (noisy - &self.baseline)?;
        let point = (&self.baseline + (&way * alpha)?)?;
        let (_, gradient) = subject.gradients_of(&point, &LayerName::INPUT.into())?;
        self.sum = (&self.sum + (way * gradient)?)?;
        self.drawn += 1;
        Ok(())
    }

    fn estimate(&self, subject: &Subject) -> Result<Attribution> {
        let attribution = (&self.sum / self.drawn as f64)?;
        let gap = completeness_gap(subject, &attribution, self.of_baseline)?;
        Ok(Attribution::summed(&attribution)?.with("completeness_gap", gap))
    }

    fn save(&self) -> State {
        State::default().with("sum", &self.sum).with_value("drawn", self.drawn)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.sum, self.drawn) = (state.tensor("sum")?, state.value("drawn")?);
        Ok(())
    }
}
