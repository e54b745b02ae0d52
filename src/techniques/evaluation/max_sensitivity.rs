//! Max-sensitivity: how much the map changes when the photo hardly does.

use super::metric::{Case, Measure, Metric};
use crate::error::Result;
use crate::imaging::HeatMap;
use crate::optim::step_rng;
use candle_core::Tensor;
use rand::Rng;

const SAMPLES: usize = 10;
/// How far a value of the input may move, in input space (Captum's default).
const RADIUS: f32 = 0.02;

/// The largest ‖map(x + δ) − map(x)‖/‖map(x)‖ over 10 draws of δ, uniform in ± 0.02 in input space, as Captum's
/// `sensitivity_max`. A live method makes its first 16 updates on both sides.
pub(super) static METRIC: Metric = Metric {
    id: "max-sensitivity",
    about: "how much the map changes when the photo hardly does",
    definition: "max over 10 δ uniform in ± 0.02 of ‖map(x + δ) − map(x)‖/‖map(x)‖",
    reference: "Yeh et al. 2019, arXiv:1901.09392",
    scores: &["max_sensitivity"],
    start: |_| Ok(Some(Box::new(MaxSensitivity::default()))),
};

#[derive(Default)]
struct MaxSensitivity {
    original: Option<HeatMap>,
    most: f64,
}

impl Measure for MaxSensitivity {
    fn total(&self) -> usize {
        SAMPLES
    }

    fn update(&mut self, case: &Case, number: usize) -> Result<Vec<(&'static str, f64)>> {
        let subject = &case.subject;
        if self.original.is_none() {
            self.original = Some(case.again(subject)?.heat);
        }
        let x = subject.input();
        let mut rng = step_rng(subject.seed, number);
        let moves: Vec<f32> = (0..x.elem_count()).map(|_| rng.random_range(-RADIUS..=RADIUS)).collect();
        let near = (x + Tensor::from_vec(moves, x.shape(), x.device())?)?;
        let found = case.again(&subject.asked_of(&subject.passes.model, &near)?)?.heat;
        if let Some(original) = &self.original {
            self.most = self.most.max(distance(original, &found));
        }
        Ok(vec![("max_sensitivity", self.most)])
    }

    fn scores(&self) -> Vec<(&'static str, f64)> {
        vec![("max_sensitivity", self.most)]
    }
}

fn distance(original: &HeatMap, other: &HeatMap) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let moved = norm(&mut original.values.iter().zip(other.values.iter()).map(|(a, b)| f64::from(a - b)));
    let size = norm(&mut original.values.iter().map(|v| f64::from(*v)));
    if moved == 0.0 { 0.0 } else { moved / size.max(1e-12) }
}
