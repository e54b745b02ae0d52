//! RISE: what the class score follows when random parts of the photo are shown.

use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE, samples};
use super::subject::{BATCH, Subject};
use crate::error::Result;
use crate::optim::{Corners, bilinear, step_rng};
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::Tensor;
use rand::Rng;

/// The mean over random masks m of p(c | x ⊙ m)·m, divided by the masks' mean `p`. A mask is a grid of `cells` × `cells`
/// ones (with probability `p`) and zeros, enlarged bilinearly to (cells + 1)·⌈size/cells⌉ pixels and cut at a random
/// offset of up to one cell. What is masked becomes 0 in the model's input space.
pub(super) static METHOD: Method = Method {
    id: "rise",
    about: "which parts the class needs to be seen: its probability while random parts are shown",
    definition: "Σ_i p(c | x ⊙ m_i)·m_i / (n·p), m random 7×7 masks enlarged and shifted, p = 0.5",
    reference: "Petsiuk, Das & Saenko 2018, arXiv:1806.07421",
    layer: false,
    params: &[
        samples(1000),
        ParamSpec {
            name: "cells",
            kind: ParamKind::Int { min: 1, max: 64, default: 7 },
            unit: "",
            help: "cells of a mask along each side",
            live: false,
        },
        ParamSpec {
            name: "p",
            kind: ParamKind::Float { min: 0.01, max: 0.99, default: 0.5 },
            unit: "",
            help: "probability that a cell is shown",
            live: false,
        },
        TOLERANCE,
    ],
    explain: Explain::Live(start),
};

struct Rise {
    samples: usize,
    cells: usize,
    p: f64,
    sum: Tensor,
    drawn: usize,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let (_, _, h, w) = subject.input().dims4()?;
    let sum = Tensor::zeros((h, w), candle_core::DType::F32, subject.input().device())?;
    let cells = params.count("cells").min(h).min(w);
    Ok(Box::new(Rise { samples: params.count("samples"), cells, p: params.float("p"), sum, drawn: 0 }))
}

impl Rise {
    /// The mask `[1, 1, H, W]` of a sample; it follows from the seed and the sample's number.
    fn mask(&self, subject: &Subject, sample: usize) -> Result<Tensor> {
        let (_, _, h, w) = subject.input().dims4()?;
        let mut rng = step_rng(subject.seed, sample);
        let cells = self.cells;
        let grid: Vec<f32> = (0..cells * cells).map(|_| f32::from(u8::from(rng.random_bool(self.p)))).collect();
        let grid = Tensor::from_vec(grid, (1, 1, cells, cells), subject.input().device())?;
        let (cell_h, cell_w) = (h.div_ceil(cells), w.div_ceil(cells));
        let large = bilinear(&grid, ((cells + 1) * cell_h, (cells + 1) * cell_w), Corners::Centred)?;
        let (top, left) = (rng.random_range(0..cell_h), rng.random_range(0..cell_w));
        Ok(large.narrow(2, top, h)?.narrow(3, left, w)?)
    }
}

impl Estimator for Rise {
    fn total(&self) -> usize {
        self.samples.div_ceil(BATCH)
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let samples = number * BATCH..((number + 1) * BATCH).min(self.samples);
        self.drawn += samples.len();
        let masks = samples.map(|sample| self.mask(subject, sample)).collect::<Result<Vec<_>>>()?;
        let masks = Tensor::cat(&masks, 0)?;
        let scores = subject.probabilities_of(&subject.input().broadcast_mul(&masks)?)?;
        let count = scores.len();
        let scores = Tensor::from_vec(scores, (count, 1, 1, 1), masks.device())?;
        self.sum = (&self.sum + masks.broadcast_mul(&scores)?.sum((0, 1))?)?;
        Ok(())
    }

    fn estimate(&self, _: &Subject) -> Result<Attribution> {
        Attribution::map(&(&self.sum / (self.drawn as f64 * self.p))?)
    }

    fn save(&self) -> State {
        State::default().with("sum", &self.sum).with_value("drawn", self.drawn)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.sum, self.drawn) = (state.tensor("sum")?, state.value("drawn")?);
        Ok(())
    }
}
