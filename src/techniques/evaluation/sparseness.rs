//! Sparseness: whether few pixels carry the map.

use super::metric::{Case, Measure, Metric};
use crate::error::Result;

/// The Gini index of the map's magnitudes at its own resolution: 0 where all are alike, towards 1 where one is all.
pub(super) static METRIC: Metric = Metric {
    id: "sparseness",
    about: "whether few places carry the map",
    definition: "Gini index of |map|",
    reference: "Chalasani et al. 2020, arXiv:1810.06583",
    scores: &["sparseness"],
    start: |_| Ok(Some(Box::new(Sparseness(0.0)))),
};

struct Sparseness(f64);

impl Measure for Sparseness {
    fn total(&self) -> usize {
        1
    }

    fn update(&mut self, case: &Case, _: usize) -> Result<Vec<(&'static str, f64)>> {
        self.0 = gini(&case.heat.values);
        Ok(vec![])
    }

    fn scores(&self) -> Vec<(&'static str, f64)> {
        vec![("sparseness", self.0)]
    }
}

fn gini(values: &[f32]) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|v| f64::from(v.abs())).collect();
    sizes.sort_by(f64::total_cmp);
    let (n, sum) = (sizes.len() as f64, sizes.iter().sum::<f64>());
    if sum == 0.0 {
        return 0.0;
    }
    let weighted: f64 = sizes.iter().enumerate().map(|(i, v)| (n - i as f64 - 0.5) / n * v).sum();
    1.0 - 2.0 * weighted / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pixel_is_sparser_than_all() {
        assert!(gini(&[1.0; 100]).abs() < 1e-9);
        let mut one = [0.0; 100];
        one[3] = -5.0;
        assert!((gini(&one) - 0.99).abs() < 1e-9);
        assert!(gini(&[0.0; 4]).abs() < 1e-9);
    }
}
