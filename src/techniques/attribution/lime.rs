//! LIME: a linear model of what showing each superpixel does to the score.

use super::baseline::BASELINE;
use super::coalition::{Coalition, LeastSquares, Players, SEGMENTS};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE, samples};
use super::subject::{BATCH, Subject};
use crate::error::Result;
use crate::optim::step_rng;
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use rand::Rng;

/// The coefficients of a weighted ridge regression of z_c on which superpixels are shown. Coalitions are drawn with each
/// superpixel shown by a coin toss; a coalition counts exp(−d²/σ²), d being its cosine distance to the whole photo, as
/// in the authors' code; the intercept is not penalised. Superpixels are SLIC's (Achanta et al. 2012), hidden ones are
/// replaced by the baseline. Where all 2^S coalitions are no more than `samples`, each is looked at once.
pub(super) static METHOD: Method = Method {
    id: "lime",
    about: "a linear model, around the photo, of what showing each superpixel does to the class score",
    definition: "coefficients of ridge regression of z_c on the shown superpixels, weights exp(−d²/σ²), d cosine distance",
    reference: "Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938",
    layer: false,
    params: &[
        SEGMENTS,
        samples(1000),
        ParamSpec {
            name: "kernel_width",
            kind: ParamKind::Float { min: 0.01, max: 10.0, default: 0.25 },
            unit: "",
            help: "width σ of the kernel: smaller looks closer around the photo",
            live: false,
        },
        ParamSpec {
            name: "ridge",
            kind: ParamKind::Float { min: 0.0, max: 1000.0, default: 1.0 },
            unit: "",
            help: "strength of the regression's penalty",
            live: false,
        },
        BASELINE,
        TOLERANCE,
    ],
    explain: Explain::Live(start),
};

struct Lime {
    players: Players,
    all: Option<Vec<Coalition>>,
    samples: usize,
    seed: u64,
    width: f64,
    ridge: f64,
    /// Coalition, weight and score of every sample.
    seen: Vec<(Coalition, f64, f64)>,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let players = Players::new(subject, params)?;
    let all = players.all(params.count("samples"));
    let samples = all.as_ref().map_or(params.count("samples"), Vec::len);
    let (width, ridge) = (params.float("kernel_width"), params.float("ridge"));
    Ok(Box::new(Lime { players, all, samples, seed: subject.seed, width, ridge, seen: vec![] }))
}

impl Lime {
    fn draw(&self, sample: usize) -> Coalition {
        if let Some(all) = &self.all {
            return all[sample].clone();
        }
        let mut rng = step_rng(self.seed, sample);
        (0..self.players.count).map(|_| rng.random_bool(0.5)).collect()
    }

    fn see(&mut self, coalition: Coalition, score: f64) {
        let shown = coalition.iter().filter(|s| **s).count() as f64 / self.players.count as f64;
        let distance = 1.0 - shown.sqrt();
        let weight = (-distance.powi(2) / self.width.powi(2)).exp();
        self.seen.push((coalition, weight, score));
    }
}

impl Estimator for Lime {
    fn total(&self) -> usize {
        self.samples.div_ceil(BATCH)
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let samples = number * BATCH..((number + 1) * BATCH).min(self.samples);
        let coalitions: Vec<Coalition> = samples.map(|sample| self.draw(sample)).collect();
        let scores = self.players.scores(subject, &coalitions)?;
        for (coalition, score) in coalitions.into_iter().zip(scores) {
            self.see(coalition, f64::from(score));
        }
        Ok(())
    }

    fn estimate(&self, _: &Subject) -> Result<Attribution> {
        let count = self.players.count;
        let weight: f64 = self.seen.iter().map(|s| s.1).sum();
        // Centred, the intercept drops out and goes unpenalised.
        let mean = self.seen.iter().map(|(_, w, score)| w * score).sum::<f64>() / weight;
        let mut shown = vec![0.0; count];
        for (coalition, w, _) in &self.seen {
            for (sum, _) in shown.iter_mut().zip(coalition).filter(|(_, on)| **on) {
                *sum += w / weight;
            }
        }
        let mut problem = LeastSquares::new(count);
        for (coalition, w, score) in &self.seen {
            let row: Vec<f64> =
                coalition.iter().zip(&shown).map(|(on, mean)| f64::from(u8::from(*on)) - mean).collect();
            problem.add(&row, score - mean, *w);
        }
        let found = Attribution::map(&self.players.map(&problem.solve(self.ridge)?)?)?;
        Ok(found.with("segments", count))
    }

    fn save(&self) -> State {
        // Coalitions and their weights follow from the seed.
        State::default().with_numbers("scores", &self.seen.iter().map(|s| s.2).collect::<Vec<_>>())
    }

    fn load(&mut self, state: &State) -> Result<()> {
        let scores = state.numbers("scores")?;
        if scores.len() > self.samples {
            return Err(State::foreign());
        }
        self.seen.clear();
        for (sample, score) in scores.into_iter().enumerate() {
            self.see(self.draw(sample), score);
        }
        Ok(())
    }
}
