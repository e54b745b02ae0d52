//! Infidelity: whether the map foretells what removing a patch costs.

use super::super::attribution::BATCH;
use super::metric::{Case, Measure, Metric};
use crate::error::Result;
use crate::optim::step_rng;
use candle_core::Tensor;
use rand::Rng;

const SAMPLES: usize = 80;
/// Sides of the patches, as shares of the input's side.
const SIDES: std::ops::Range<f64> = 0.1..0.5;

/// The share of the score's changes Δ = z_c(x) − z_c(x with a random square set to 0) that the map's sums S over those
/// squares leave unexplained: min over β ≥ 0 of E[(β·S − Δ)²]/E[Δ²], in `[0, 1]`. This is infidelity with square removal, scaled as
/// Captum's `normalize=True`, divided by the changes' own size so that pictures can be compared.
pub(super) static METRIC: Metric = Metric {
    id: "infidelity",
    about: "how badly the map foretells what removing a random square costs",
    definition: "min over β ≥ 0 of E[(β·Σ_square map − Δz_c)²]/E[Δz_c²] over 80 random squares set to 0; 0 foretells all, 1 nothing",
    reference: "Yeh et al. 2019, arXiv:1901.09392",
    scores: &["infidelity"],
    start: |_| Ok(Some(Box::new(Infidelity::default()))),
};

#[derive(Default)]
struct Infidelity {
    /// Sums of S², S·Δ and Δ².
    sums: [f64; 3],
}

impl Infidelity {
    fn value(&self) -> f64 {
        let [ss, sd, dd] = self.sums;
        if dd == 0.0 || ss == 0.0 || sd <= 0.0 { 1.0 } else { (1.0 - sd * sd / (ss * dd)).clamp(0.0, 1.0) }
    }
}

impl Measure for Infidelity {
    fn total(&self) -> usize {
        SAMPLES / BATCH
    }

    fn update(&mut self, case: &Case, number: usize) -> Result<Vec<(&'static str, f64)>> {
        let (h, w) = case.size()?;
        let nothing = case.subject.input().zeros_like()?;
        let mut rng = step_rng(case.subject.seed, number);
        let (mut inputs, mut sums) = (vec![], vec![]);
        for _ in 0..BATCH {
            let side = ((h.min(w) as f64 * rng.random_range(SIDES)) as usize).max(1);
            let (top, left) = (rng.random_range(0..=h - side), rng.random_range(0..=w - side));
            let mut keep = vec![1f32; h * w];
            let mut sum = 0.0;
            for p in (top..top + side).flat_map(|y| (left..left + side).map(move |x| y * w + x)) {
                keep[p] = 0.0;
                sum += f64::from(case.pixels.values[p]);
            }
            inputs.push(case.mixed(keep, &nothing)?);
            sums.push(sum);
        }
        for (sum, score) in sums.into_iter().zip(case.subject.scores_of(&Tensor::cat(&inputs, 0)?)?) {
            let change = f64::from(case.subject.score()) - f64::from(score);
            for (total, term) in self.sums.iter_mut().zip([sum * sum, sum * change, change * change]) {
                *total += term;
            }
        }
        Ok(vec![("infidelity", self.value())])
    }

    fn scores(&self) -> Vec<(&'static str, f64)> {
        vec![("infidelity", self.value())]
    }
}
