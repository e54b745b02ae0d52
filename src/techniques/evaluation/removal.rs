//! Deletion and insertion: what becomes of the class when the important pixels go, or come.

use super::super::attribution::BATCH;
use super::metric::{Case, Measure, Metric, area};
use crate::error::Result;
use crate::optim::gaussian_blur;
use candle_core::Tensor;

/// Standard deviation of the blur that insertion starts from, in pixels (RISE's).
const BLUR: f64 = 5.0;

/// The area under the class's probability while pixels are set to 0 in input space, the most important first
/// (`deletion_auc`), and while they are brought into the blurred photo (`insertion_auc`). As in the authors' code, a step
/// is an area as large as a row of pixels: there are as many as the input has rows.
pub(super) static METRIC: Metric = Metric {
    id: "deletion-insertion",
    about: "how fast the class goes when the important pixels are removed, and comes when they are shown",
    definition: "area under p(c) over as many steps of equal area as the input has rows: pixels set to 0 by falling importance (deletion, less is \
                 better); brought into the photo blurred by σ = 5 px (insertion, more is better)",
    reference: "Petsiuk, Das & Saenko 2018, arXiv:1806.07421",
    scores: &["deletion_auc", "insertion_auc"],
    start: |case| {
        let nothing = case.subject.input().zeros_like()?;
        let blurred = gaussian_blur(case.subject.input(), BLUR)?;
        let (steps, order) = (case.size()?.0, case.order());
        Ok(Some(Box::new(Removal { steps, order, nothing, blurred, deletion: vec![], insertion: vec![] })))
    },
};

/// Steps an update makes, of each of the two.
const TOGETHER: usize = BATCH / 2;

struct Removal {
    /// Areas of equal size that are removed or brought one after the other.
    steps: usize,
    order: Vec<usize>,
    nothing: Tensor,
    blurred: Tensor,
    deletion: Vec<f64>,
    insertion: Vec<f64>,
}

impl Measure for Removal {
    fn total(&self) -> usize {
        (self.steps + 1).div_ceil(TOGETHER)
    }

    fn update(&mut self, case: &Case, number: usize) -> Result<Vec<(&'static str, f64)>> {
        let steps = number * TOGETHER..((number + 1) * TOGETHER).min(self.steps + 1);
        let mut inputs = vec![];
        for step in steps {
            let gone = self.order.len() * step / self.steps;
            let mut keep = vec![1f32; self.order.len()];
            self.order[..gone].iter().for_each(|&p| keep[p] = 0.0);
            let shown = keep.iter().map(|k| 1.0 - k).collect();
            inputs.push(case.mixed(keep, &self.nothing)?);
            inputs.push(case.mixed(shown, &self.blurred)?);
        }
        let found = case.subject.probabilities_of(&Tensor::cat(&inputs, 0)?)?;
        for pair in found.chunks_exact(2) {
            self.deletion.push(f64::from(pair[0]));
            self.insertion.push(f64::from(pair[1]));
        }
        let last = |curve: &[f64]| curve.last().copied().unwrap_or(0.0);
        Ok(vec![("p_deletion", last(&self.deletion)), ("p_insertion", last(&self.insertion))])
    }

    fn scores(&self) -> Vec<(&'static str, f64)> {
        vec![("deletion_auc", area(&self.deletion)), ("insertion_auc", area(&self.insertion))]
    }
}
