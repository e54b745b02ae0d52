//! What a metric is, and what it measures.

use super::super::attribution::{Attribution, Method, Subject};
use crate::error::Result;
use crate::imaging::HeatMap;
use crate::techniques::api::Params;
use candle_core::Tensor;

/// Updates that a metric lets a live method make when it asks again: enough to compare, few enough to wait for.
const UPDATES_AGAIN: usize = 16;

/// A way to score maps.
pub struct Metric {
    /// Its id.
    pub id: &'static str,
    /// What it measures, in a line.
    pub about: &'static str,
    /// The formula.
    pub definition: &'static str,
    /// Where it comes from.
    pub reference: &'static str,
    /// The names of the scores it gives, each declared in [`crate::techniques::figure`].
    pub scores: &'static [&'static str],
    pub(super) start: fn(&Case) -> Started,
}

/// A metric ready for its first update, or nothing where it has nothing to measure.
pub(super) type Started = Result<Option<Box<dyn Measure>>>;

/// A map and what it came from.
pub(super) struct Case {
    pub subject: Subject,
    pub method: &'static Method,
    pub params: Params,
    /// The map, raw.
    pub heat: HeatMap,
    /// The map at the input's size.
    pub pixels: HeatMap,
    /// Where the thing is, `[left, top, right, bottom]` in pixels of the input.
    pub target: Option<[f64; 4]>,
}

impl Case {
    /// The pixels of the input, the most important first; ties go by position.
    pub fn order(&self) -> Vec<usize> {
        let values = &self.pixels.values;
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        order
    }

    /// The method's map for another input or model, with few updates if it is a live one.
    pub fn again(&self, subject: &Subject) -> Result<Attribution> {
        self.method.attribute(subject, &self.params, UPDATES_AGAIN)
    }

    /// The input's height and width.
    pub fn size(&self) -> Result<(usize, usize)> {
        let (_, _, h, w) = self.subject.input().dims4()?;
        Ok((h, w))
    }

    /// The input where `keep` says so and `other` elsewhere, `[1, C, H, W]`.
    pub fn mixed(&self, keep: Vec<f32>, other: &Tensor) -> Result<Tensor> {
        let (h, w) = self.size()?;
        let x = self.subject.input();
        let keep = Tensor::from_vec(keep, (1, 1, h, w), x.device())?;
        Ok(((x - other)?.broadcast_mul(&keep)? + other)?)
    }
}

/// A metric at work.
pub(super) trait Measure: Send {
    /// The updates it makes.
    fn total(&self) -> usize;
    /// Makes the update of that number; the answer is the points of its curves.
    fn update(&mut self, case: &Case, number: usize) -> Result<Vec<(&'static str, f64)>>;
    /// The scores, after the last update.
    fn scores(&self) -> Vec<(&'static str, f64)>;
}

/// The area under a curve of equally spaced points over `[0, 1]` (trapezoids).
pub(super) fn area(points: &[f64]) -> f64 {
    let Some((first, last)) = points.first().zip(points.last()) else { return 0.0 };
    let intervals = points.len().saturating_sub(1).max(1) as f64;
    (points.iter().sum::<f64>() - (first + last) / 2.0) / intervals
}
