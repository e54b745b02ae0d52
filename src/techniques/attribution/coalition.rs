//! Superpixels as players: the photo with some of them shown and the rest replaced by nothing.

use super::baseline::{baseline, shown_of};
use super::subject::Subject;
use crate::error::{Error, Result};
use crate::imaging::superpixels;
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::{Device, Tensor};

/// How many superpixels there are, about.
pub(super) const SEGMENTS: ParamSpec = ParamSpec {
    name: "segments",
    kind: ParamKind::Int { min: 2, max: 1000, default: 50 },
    unit: "",
    help: "superpixels the photo is cut into, about",
    live: false,
};

/// Which superpixels are shown.
pub(super) type Coalition = Vec<bool>;

/// A photo cut into superpixels.
pub(super) struct Players {
    /// The superpixel of each pixel.
    labels: Vec<u32>,
    /// How many there are.
    pub count: usize,
    baseline: Tensor,
    size: (usize, usize),
}

impl Players {
    pub fn new(subject: &Subject, params: &Params) -> Result<Self> {
        let labels = superpixels(&subject.passes.picture, params.count("segments"));
        let count = labels.iter().max().map_or(0, |m| *m as usize + 1);
        let (_, _, h, w) = subject.input().dims4()?;
        Ok(Self { labels, count, baseline: baseline(subject, params)?, size: (h, w) })
    }

    /// z_c with each coalition shown.
    pub fn scores(&self, subject: &Subject, coalitions: &[Coalition]) -> Result<Vec<f32>> {
        let (h, w) = self.size;
        let shown = coalitions
            .iter()
            .flat_map(|coalition| self.labels.iter().map(|&s| f32::from(u8::from(coalition[s as usize]))))
            .collect::<Vec<_>>();
        let mask = Tensor::from_vec(shown, (coalitions.len(), 1, h, w), subject.input().device())?;
        subject.scores_of(&shown_of(subject, &self.baseline, &mask)?)
    }

    /// A value of each superpixel as a map `[H, W]`.
    pub fn map(&self, values: &[f64]) -> Result<Tensor> {
        let pixels: Vec<f32> = self.labels.iter().map(|&s| values[s as usize] as f32).collect();
        Ok(Tensor::from_vec(pixels, self.size, &Device::Cpu)?)
    }

    /// Every coalition, if there are at most `limit` of them.
    pub fn all(&self, limit: usize) -> Option<Vec<Coalition>> {
        let count = 1usize.checked_shl(u32::try_from(self.count).ok()?).filter(|n| *n > 0 && *n <= limit)?;
        Some((0..count).map(|bits| (0..self.count).map(|i| bits >> i & 1 == 1).collect()).collect())
    }
}

/// A weighted least-squares problem, filled row by row.
pub(super) struct LeastSquares {
    normal: Vec<Vec<f64>>,
    right: Vec<f64>,
}

impl LeastSquares {
    pub fn new(unknowns: usize) -> Self {
        Self { normal: vec![vec![0.0; unknowns]; unknowns], right: vec![0.0; unknowns] }
    }

    pub fn save(&self) -> State {
        State::default().with_numbers("normal", &self.normal.concat()).with_numbers("right", &self.right)
    }

    /// # Errors
    /// If it is not that of a problem with as many unknowns.
    pub fn load(&mut self, state: &State) -> Result<()> {
        let (normal, right) = (state.numbers("normal")?, state.numbers("right")?);
        let unknowns = self.right.len();
        if right.len() != unknowns || normal.len() != unknowns * unknowns {
            return Err(State::foreign());
        }
        self.normal = normal.chunks(unknowns.max(1)).map(<[f64]>::to_vec).collect();
        self.right = right;
        Ok(())
    }

    /// Adds the equation row·x = value with its weight.
    pub fn add(&mut self, row: &[f64], value: f64, weight: f64) {
        for (i, a) in row.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            self.right[i] += weight * a * value;
            for (j, b) in row.iter().enumerate() {
                self.normal[i][j] += weight * a * b;
            }
        }
    }

    /// The solution with `ridge`·‖x‖² added to what is minimised (Cholesky).
    pub fn solve(&self, ridge: f64) -> Result<Vec<f64>> {
        let n = self.right.len();
        let mut lower = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                let rest = self.normal[i][j] + if i == j { ridge } else { 0.0 } - known;
                lower[i][j] = if i == j { rest.max(0.0).sqrt() } else { rest / lower[j][j] };
                if !lower[i][j].is_finite() {
                    return Err(Error::Diverged {
                        what: "the regression over superpixels has no solution".into(),
                        step: 0,
                        good: None,
                    });
                }
            }
            // A superpixel that was never shown or hidden has no equation yet.
            lower[i][i] = lower[i][i].max(1e-9);
        }
        let mut y = vec![0.0; n];
        for i in 0..n {
            let known: f64 = (0..i).map(|k| lower[i][k] * y[k]).sum();
            y[i] = (self.right[i] - known) / lower[i][i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|k| lower[k][i] * y[k]).sum();
            y[i] = (y[i] - known) / lower[i][i];
        }
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regression_finds_what_made_the_data() -> Result<()> {
        let truth = [2.0, -1.0, 0.5];
        let mut problem = LeastSquares::new(3);
        for bits in 0..8u32 {
            let row: Vec<f64> = (0..3).map(|i| f64::from(bits >> i & 1)).collect();
            let value = row.iter().zip(truth).map(|(a, b)| a * b).sum();
            problem.add(&row, value, 1.0 + f64::from(bits));
        }
        for (found, truth) in problem.solve(0.0)?.iter().zip(truth) {
            assert!((found - truth).abs() < 1e-9, "{found} {truth}");
        }
        Ok(())
    }
}
