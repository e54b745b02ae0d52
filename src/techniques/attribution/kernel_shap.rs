//! KernelSHAP: the Shapley value of each superpixel.

use super::baseline::BASELINE;
use super::coalition::{Coalition, LeastSquares, Players, SEGMENTS};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE, samples};
use super::subject::{BATCH, Subject};
use crate::error::Result;
use crate::optim::step_rng;
use crate::techniques::api::{Params, State};
use rand::Rng;
use rand::seq::SliceRandom;

/// The Shapley values φ of the superpixels (the same as LIME's) as players whose coalition is worth z_c of the photo
/// with only they shown: least squares of the coalitions' worths under the Shapley kernel, with Σφ = z_c(x) − z_c(b) held
/// exactly. Coalitions are drawn by the kernel, each with its complement; where all 2^S are no more than `samples`,
/// each is taken once with its weight and φ is exact. A superpixel's pixels all carry its φ.
pub(super) static METHOD: Method = Method {
    id: "kernel-shap",
    about: "the Shapley value of each superpixel: its fair share of the class score",
    definition: "least squares of z_c over shown superpixels under the Shapley kernel, Σφ = z_c(x) − z_c(b)",
    reference: "Lundberg & Lee 2017, arXiv:1705.07874",
    layer: false,
    params: &[SEGMENTS, samples(1000), BASELINE, TOLERANCE],
    explain: Explain::Live(start),
};

struct KernelShap {
    players: Players,
    /// Every coalition but the empty and the whole one, where they are few.
    all: Option<Vec<Coalition>>,
    samples: usize,
    /// Worth of the empty coalition, and of the whole one above it.
    nothing: f64,
    whole: f64,
    problem: LeastSquares,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let players = Players::new(subject, params)?;
    let count = players.count;
    let limit = params.count("samples");
    let all = players.all(limit).map(|mut all| {
        all.retain(|c| c.contains(&true) && c.contains(&false));
        all
    });
    let samples = all.as_ref().map_or(limit, Vec::len);
    let nothing = f64::from(players.scores(subject, &[vec![false; count]])?[0]);
    let whole = f64::from(subject.score()) - nothing;
    let problem = LeastSquares::new(count.saturating_sub(1));
    Ok(Box::new(KernelShap { players, all, samples, nothing, whole, problem }))
}

impl KernelShap {
    /// The kernel's weight of one coalition among all of its size.
    fn kernel(&self, size: usize) -> f64 {
        let n = self.players.count;
        let of_size = (0..size).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
        (n as f64 - 1.0) / (of_size * size as f64 * (n - size) as f64)
    }

    /// A coalition drawn by the kernel; every second one is the complement of the one before.
    fn draw(&self, seed: u64, sample: usize) -> Coalition {
        let n = self.players.count;
        let mut rng = step_rng(seed, sample / 2);
        // A size counts its kernel weight times its coalitions: 1/(k·(n − k)).
        let weights: Vec<f64> = (1..n).map(|k| 1.0 / (k as f64 * (n - k) as f64)).collect();
        let mut at = rng.random::<f64>() * weights.iter().sum::<f64>();
        let found = weights.iter().position(|w| {
            at -= w;
            at < 0.0
        });
        let size = found.map_or(n.saturating_sub(1), |i| i + 1);
        let mut coalition: Coalition = (0..n).map(|i| i < size).collect();
        coalition.shuffle(&mut rng);
        if sample % 2 == 1 {
            for shown in &mut coalition {
                *shown = !*shown;
            }
        }
        coalition
    }
}

impl Estimator for KernelShap {
    fn total(&self) -> usize {
        self.samples.div_ceil(BATCH).max(1)
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let samples = number * BATCH..((number + 1) * BATCH).min(self.samples);
        let coalitions: Vec<Coalition> = samples
            .map(|i| self.all.as_ref().map_or_else(|| self.draw(subject.seed, i), |all| all[i].clone()))
            .collect();
        if coalitions.is_empty() {
            return Ok(());
        }
        let scores = self.players.scores(subject, &coalitions)?;
        for (coalition, score) in coalitions.iter().zip(scores) {
            let size = coalition.iter().filter(|s| **s).count();
            let weight = if self.all.is_some() { self.kernel(size) } else { 1.0 };
            // The last superpixel's value follows from the sum of all.
            let number = |shown: bool| f64::from(u8::from(shown));
            let last = coalition.last().map_or(0.0, |s| number(*s));
            let row: Vec<f64> = coalition[..coalition.len() - 1].iter().map(|s| number(*s) - last).collect();
            self.problem.add(&row, f64::from(score) - self.nothing - last * self.whole, weight);
        }
        Ok(())
    }

    fn estimate(&self, _: &Subject) -> Result<Attribution> {
        let mut values = self.problem.solve(1e-9)?;
        values.push(self.whole - values.iter().sum::<f64>());
        let found = Attribution::map(&self.players.map(&values)?)?;
        Ok(found.with("segments", self.players.count).with("score_of_baseline", self.nothing))
    }

    fn save(&self) -> State {
        self.problem.save()
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.problem.load(state)
    }
}
