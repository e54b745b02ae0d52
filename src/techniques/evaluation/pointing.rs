//! Pointing: whether the map points at the thing.

use super::metric::{Case, Measure, Metric};
use crate::error::Result;

/// Against a box around the thing: `pointing` is 1 if the map's maximum lies inside it (within 15 pixels, as in the
/// pointing game), else 0; `energy_inside` is the share of the map's positive values inside it (energy-based pointing
/// game, Wang et al. 2020, arXiv:1910.01279). Without a box there is nothing to measure.
pub(super) static METRIC: Metric = Metric {
    id: "pointing",
    about: "whether the map points into the box given for the thing",
    definition: "1 if argmax of the map lies in the box (± 15 px), else 0; and the share of its positive values inside",
    reference: "Zhang et al. 2016, arXiv:1608.00507",
    scores: &["pointing", "energy_inside"],
    start: |case| Ok(case.target.map(|_| Box::new(Pointing::default()) as Box<dyn Measure>)),
};

/// How far outside the box still counts, in pixels.
const MARGIN: f64 = 15.0;

#[derive(Default)]
struct Pointing {
    hit: bool,
    inside: f64,
}

impl Measure for Pointing {
    fn total(&self) -> usize {
        1
    }

    fn update(&mut self, case: &Case, _: usize) -> Result<Vec<(&'static str, f64)>> {
        let Some([left, top, right, bottom]) = case.target else { return Ok(vec![]) };
        let w = case.pixels.width as usize;
        let within = |p: usize, margin: f64| {
            let (x, y) = ((p % w) as f64 + 0.5, (p / w) as f64 + 0.5);
            x >= left - margin && x < right + margin && y >= top - margin && y < bottom + margin
        };
        self.hit = case.order().first().is_some_and(|&p| within(p, MARGIN));
        let positive = case.pixels.values.iter().map(|v| f64::from(v.max(0.0)));
        let (mut inside, mut all) = (0.0, 0.0);
        for (p, v) in positive.enumerate() {
            all += v;
            inside += if within(p, 0.0) { v } else { 0.0 };
        }
        self.inside = if all > 0.0 { inside / all } else { 0.0 };
        Ok(vec![])
    }

    fn scores(&self) -> Vec<(&'static str, f64)> {
        vec![("pointing", f64::from(u8::from(self.hit))), ("energy_inside", self.inside)]
    }
}
