//! ROAD: removal that leaves no hole to see.

use super::metric::{Case, Measure, Metric};
use crate::error::Result;
use crate::optim::{noise, step_rng};
use candle_core::{Device, Tensor};

/// Shares of the pixels that are removed, in percent.
const PERCENTS: [usize; 9] = [10, 20, 30, 40, 50, 60, 70, 80, 90];
/// Standard deviation of the noise on imputed pixels, in input space.
const NOISE: f64 = 0.01;
/// A residual this much smaller than at the start is a solution: below an 8-bit step.
const RESIDUAL: f64 = 1e-3;
const MOST_ROUNDS: usize = 500;
/// Neighbours with their weights: straight ones count twice.
const NEIGHBOURS: [(isize, isize, f64); 8] = [
    (0, 1, 1.0 / 6.0),
    (0, -1, 1.0 / 6.0),
    (1, 0, 1.0 / 6.0),
    (-1, 0, 1.0 / 6.0),
    (1, 1, 1.0 / 12.0),
    (1, -1, 1.0 / 12.0),
    (-1, 1, 1.0 / 12.0),
    (-1, -1, 1.0 / 12.0),
];

/// The mean over 10 to 90 % of (p(c) with the least important pixels removed − p(c) with the most important removed)/2;
/// removed pixels become the weighted mean of their neighbours (noisy linear imputation), solved exactly up to 1e-3.
/// As pytorch-grad-cam's `ROADCombined` on probabilities.
pub(super) static METRIC: Metric = Metric {
    id: "road",
    about: "what removing the least and the most important pixels costs, with holes filled from their surroundings",
    definition: "mean over 10…90 % of (p(c | least important removed) − p(c | most important removed))/2, removed pixels \
                 imputed linearly from their neighbours with noise",
    reference: "Rong et al. 2022, arXiv:2202.00449",
    scores: &["road"],
    start: |case| Ok(Some(Box::new(Road { order: case.order(), sum: 0.0 }))),
};

struct Road {
    order: Vec<usize>,
    sum: f64,
}

impl Measure for Road {
    fn total(&self) -> usize {
        PERCENTS.len()
    }

    fn update(&mut self, case: &Case, number: usize) -> Result<Vec<(&'static str, f64)>> {
        let (h, w) = case.size()?;
        let count = self.order.len() * PERCENTS[number] / 100;
        let x = case.subject.input();
        let planes = x.flatten_all()?.to_vec1::<f32>()?;
        let mut filled = vec![];
        for pixels in [&self.order[..count], &self.order[self.order.len() - count..]] {
            let mut removed = vec![false; h * w];
            for &p in pixels {
                removed[p] = true;
            }
            let values: Vec<f32> = planes.chunks_exact(h * w).flat_map(|plane| imputed(plane, &removed, w)).collect();
            let mask: Vec<f32> = removed.iter().map(|r| f32::from(u8::from(*r))).collect();
            let mask = Tensor::from_vec(mask, (1, 1, h, w), &Device::Cpu)?;
            let noise = noise(&mut step_rng(case.subject.seed, number), x.dims(), &Device::Cpu)?;
            let noise = (noise * NOISE)?.broadcast_mul(&mask)?;
            filled.push((Tensor::from_vec(values, x.dims(), &Device::Cpu)? + noise)?);
        }
        let found = case.subject.probabilities_of(&Tensor::cat(&filled, 0)?.to_device(x.device())?)?;
        let (most, least) = (f64::from(found[0]), f64::from(found[1]));
        self.sum += (least - most) / 2.0;
        Ok(vec![("p_road_most", most), ("p_road_least", least)])
    }

    fn scores(&self) -> Vec<(&'static str, f64)> {
        vec![("road", self.sum / PERCENTS.len() as f64)]
    }
}

/// The plane with each removed pixel at the weighted mean of its neighbours: a symmetric system, by conjugate gradients.
fn imputed(plane: &[f32], removed: &[bool], w: usize) -> Vec<f32> {
    let unknown: Vec<usize> = (0..plane.len()).filter(|&p| removed[p]).collect();
    let mut place = vec![usize::MAX; plane.len()];
    unknown.iter().enumerate().for_each(|(i, &p)| place[p] = i);
    let h = plane.len() / w;
    let around = |p: usize| {
        let (x, y) = ((p % w).cast_signed(), (p / w).cast_signed());
        NEIGHBOURS.iter().filter_map(move |&(dy, dx, weight)| {
            let (x, y) = (x + dx, y + dy);
            let inside = x >= 0 && y >= 0 && x < w.cast_signed() && y < h.cast_signed();
            inside.then(|| (y.cast_unsigned() * w + x.cast_unsigned(), weight))
        })
    };
    let known: Vec<f64> = plane.iter().zip(removed).filter(|(_, r)| !**r).map(|(v, _)| f64::from(*v)).collect();
    let mean = if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
    // At the border a pixel has fewer neighbours, and their weights count for all.
    let apply = |v: &[f64]| -> Vec<f64> {
        let row = |&p: &usize| {
            let own = v[place[p]];
            around(p).map(|(q, weight)| weight * (own - if removed[q] { v[place[q]] } else { 0.0 })).sum()
        };
        unknown.iter().map(row).collect()
    };
    let right: Vec<f64> = unknown
        .iter()
        .map(|&p| around(p).filter(|(q, _)| !removed[*q]).map(|(q, weight)| weight * f64::from(plane[q])).sum())
        .collect();
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut solution = vec![mean; unknown.len()];
    let mut residual: Vec<f64> = right.iter().zip(apply(&solution)).map(|(b, a)| b - a).collect();
    let mut direction = residual.clone();
    let mut size = dot(&residual, &residual);
    let goal = size * RESIDUAL * RESIDUAL;
    for _ in 0..MOST_ROUNDS {
        if size <= goal || size == 0.0 {
            break;
        }
        let image = apply(&direction);
        let step = size / dot(&direction, &image).max(f64::MIN_POSITIVE);
        solution.iter_mut().zip(&direction).for_each(|(s, d)| *s += step * d);
        residual.iter_mut().zip(&image).for_each(|(r, i)| *r -= step * i);
        let next = dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / size * *d);
        size = next;
    }
    let mut filled = plane.to_vec();
    unknown.iter().zip(solution).for_each(|(&p, v)| filled[p] = v as f32);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_filled_with_itself() {
        let w = 12;
        let plane: Vec<f32> = (0..w * w).map(|p| (p % w) as f32 + 2.0 * (p / w) as f32).collect();
        let mut removed = vec![false; w * w];
        for p in [40, 41, 42, 52, 53, 54, 65, 66, 90] {
            removed[p] = true;
        }
        for (p, (a, b)) in imputed(&plane, &removed, w).iter().zip(&plane).enumerate() {
            assert!((a - b).abs() < 0.05, "pixel {p}: {a} for {b}");
        }
    }

    #[test]
    fn nothing_known_is_no_trouble() {
        assert_eq!(imputed(&[3.0; 9], &[true; 9], 3), [0.0; 9]);
    }
}
