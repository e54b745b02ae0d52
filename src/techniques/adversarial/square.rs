//! Square Attack in L∞: random squares, kept where they help, without a gradient (Andriushchenko et al. 2020).

use super::example::Example;
use super::loss::Loss;
use crate::error::Result;
use crate::optim::step_rng;
use crate::techniques::api::State;
use candle_core::Tensor;
use rand::Rng;

/// Share of the picture that the first squares cover, as in the paper.
const FIRST_SHARE: f64 = 0.8;
/// The stream of the seed that the first query takes; the others follow.
const STREAM: usize = 1 << 20;

/// A run of `queries` looks.
pub(super) struct Square {
    queries: usize,
    made: usize,
    best: f64,
}

impl Square {
    pub fn new(queries: usize) -> Self {
        Self { queries, made: 0, best: f64::MIN }
    }

    pub fn is_over(&self) -> bool {
        self.made >= self.queries
    }

    /// Vertical stripes of ±ε, which convolutional networks are sensitive to.
    pub fn start(example: &Example, epsilon: f64) -> Result<Tensor> {
        let (_, c, h, w) = example.original.dims4()?;
        let mut rng = step_rng(example.seed, STREAM);
        let stripes: Vec<f32> =
            (0..c * w).map(|_| if rng.random() { epsilon as f32 } else { -epsilon as f32 }).collect();
        let stripes = Tensor::from_vec(stripes, (1, c, 1, w), example.original.device())?;
        Ok((&example.original + stripes.broadcast_as((1, c, h, w))?)?.clamp(0f32, 1f32)?)
    }

    /// The picture after some more queries; it ends as soon as one of them fools.
    pub fn next(&mut self, example: &Example, epsilon: f64, x: &Tensor, queries: usize) -> Result<Tensor> {
        let (_, c, h, w) = example.original.dims4()?;
        let original = example.original.flatten_all()?.to_vec1::<f32>()?;
        let mut values = x.flatten_all()?.to_vec1::<f32>()?;
        if self.made == 0 {
            self.best = margin(example, x)?;
        }
        for _ in 0..queries {
            self.made += 1;
            let mut rng = step_rng(example.seed, STREAM + self.made);
            let side = ((self.share() * (h * w) as f64).sqrt().round() as usize).clamp(1, h.min(w).max(2) - 1);
            let (top, left) = (rng.random_range(0..(h - side).max(1)), rng.random_range(0..(w - side).max(1)));
            let mut changed = values.clone();
            for channel in 0..c {
                let change = if rng.random() { epsilon as f32 } else { -epsilon as f32 };
                for row in top..top + side {
                    for i in (channel * h + row) * w + left..(channel * h + row) * w + left + side {
                        changed[i] = (original[i] + change).clamp(0.0, 1.0);
                    }
                }
            }
            let margin = margin(example, &Tensor::from_slice(&changed, x.dims(), x.device())?)?;
            if margin > self.best {
                (self.best, values) = (margin, changed);
            }
            if self.best > 0.0 {
                break;
            }
        }
        Ok(Tensor::from_vec(values, x.dims(), x.device())?)
    }

    /// The share of the picture that a square covers now: halved at the paper's marks of 10 000 queries.
    fn share(&self) -> f64 {
        let at = self.made * 10_000 / self.queries.max(1);
        let marks = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];
        FIRST_SHARE / 2f64.powi(marks.iter().filter(|mark| at > **mark).count() as i32)
    }

    pub fn save(&self) -> State {
        State::default()
            .with_value("queries", self.queries)
            .with_value("made", self.made)
            .with_value("best", self.best)
    }

    pub fn load(state: &State) -> Result<Self> {
        Ok(Self { queries: state.value("queries")?, made: state.value("made")?, best: state.value("best")? })
    }
}

fn margin(example: &Example, x: &Tensor) -> Result<f64> {
    Ok(Loss::Margin.at(&example.output, &example.logits_of(x)?, &example.criterion).0)
}
