//! Integrated gradients: what each pixel adds on the way from nothing to the photo.

use super::baseline::{BASELINE, baseline, completeness_gap};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE};
use super::path::{gauss_legendre, on_the_way, spread};
use super::subject::Subject;
use crate::error::Result;
use crate::graph::LayerName;
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::Tensor;

/// (x − b) ⊙ ∫ ∂z_c/∂x (b + α(x − b)) dα by Gauss–Legendre quadrature, as Captum's `IntegratedGradients`, `[C, H, W]`;
/// summed over the channels for the map. `completeness_gap` is Σ − (z_c(x) − z_c(b)).
pub(super) static METHOD: Method = Method {
    id: "integrated-gradients",
    about: "what each pixel adds on the way from nothing to the photo; the parts add up to the class score",
    definition: "(x − b) ⊙ ∫₀¹ ∂z_c/∂x(b + α(x − b)) dα, b = 0, 50-point Gauss–Legendre; summed over channels",
    reference: "Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
    layer: false,
    params: &[
        ParamSpec {
            name: "points",
            kind: ParamKind::Int { min: 1, max: 1000, default: 50 },
            unit: "",
            help: "points of the quadrature along the way",
            live: false,
        },
        BASELINE,
        TOLERANCE,
    ],
    explain: Explain::Live(start),
};

/// Points an update looks at.
const TOGETHER: usize = 2;

struct Path {
    baseline: Tensor,
    /// z_c of the baseline.
    of_baseline: f32,
    /// α and weight of each point, in an order that covers the whole way early.
    points: Vec<(f64, f64)>,
    sum: Tensor,
    weight: f64,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let points = gauss_legendre(params.count("points"));
    let points = spread(points.len()).into_iter().map(|i| points[i]).collect();
    let baseline = baseline(subject, params)?;
    let of_baseline = subject.scores_of(&baseline)?[0];
    Ok(Box::new(Path { baseline, of_baseline, points, sum: subject.input().zeros_like()?, weight: 0.0 }))
}

impl Estimator for Path {
    fn total(&self) -> usize {
        self.points.len().div_ceil(TOGETHER)
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let points: Vec<(f64, f64)> = self.points.iter().skip(number * TOGETHER).take(TOGETHER).copied().collect();
        let alphas: Vec<f64> = points.iter().map(|p| p.0).collect();
        let batch = on_the_way(subject.input(), &self.baseline, &alphas)?;
        let (_, gradients) = subject.gradients_of(&batch, &LayerName::INPUT.into())?;
        for (i, (_, weight)) in points.into_iter().enumerate() {
            self.sum = (&self.sum + (gradients.narrow(0, i, 1)? * weight)?)?;
            self.weight += weight;
        }
        Ok(())
    }

    fn estimate(&self, subject: &Subject) -> Result<Attribution> {
        let way = (subject.input() - &self.baseline)?;
        let attribution = (way * (&self.sum / self.weight)?)?;
        let gap = completeness_gap(subject, &attribution, self.of_baseline)?;
        Ok(Attribution::summed(&attribution)?.with("completeness_gap", gap))
    }

    fn save(&self) -> State {
        State::default().with("sum", &self.sum).with_value("weight", self.weight)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.sum, self.weight) = (state.tensor("sum")?, state.value("weight")?);
        Ok(())
    }
}
