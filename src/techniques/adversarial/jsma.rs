//! A sparse attack: as few pixels as possible, changed as far as they go.

use super::attack::{Attack, Pick, Rule, Targets};
use super::example::{Example, LossAt};
use super::loss::Loss;
use crate::error::Result;
use crate::techniques::api::{ParamSpec, Params, State};
use candle_core::Tensor;

/// Papernot's map ranks pairs of values by the whole Jacobian, which is out of reach for photos; here single pixels
/// are ranked by what the margin of the two deciding classes gains if all its values go to their end. Once the
/// photo is mistaken, pixels are given back, the least useful first, while it stays so.
pub(super) static JSMA: Attack = Attack {
    id: "jsma",
    about: "as few pixels as possible, each changed as far as it goes",
    definition: "the pixels with the largest Σ_channels max(g·(1 − x), −g·x), g = ∂margin/∂x, go to the end their gradient points to, some at a time, until the photo is mistaken; then pixels that are not needed are given back",
    reference: "after Papernot et al. 2016, arXiv:1511.07528 (saliency map attack), on single pixels",
    targets: Targets::Optional,
    params: &[
        ParamSpec::int("pixels_per_step", [1, 10_000], 10, "pixels changed in an update").in_unit("px"),
        ParamSpec::float("gamma", [0.0, 1.0], 0.1, "γ, the largest share of pixels that may be changed"),
        ParamSpec::int("steps", [1, 100_000], 1000, "stop after so many updates").in_unit("steps"),
    ],
    rule: |_, _| Ok(Box::new(Sparse::default())),
};

#[derive(Default)]
struct Sparse {
    /// The pixels that were changed, the most useful first.
    changed: Vec<usize>,
    /// Pixels to be given back in the next try; none before the photo is mistaken.
    giving_back: Option<usize>,
    /// Where the next try begins, from the end of `changed`.
    tried: usize,
    /// What the last try gave back, in case it was too much.
    last_try: Vec<usize>,
    finished: bool,
    note: Option<String>,
}

impl Sparse {
    /// Changes the pixels that promise most.
    fn take(&mut self, params: &Params, x: &Tensor, at: &LossAt) -> Result<Vec<f32>> {
        let mut values = x.flatten_all()?.to_vec1::<f32>()?;
        let gradient = at.gradient.flatten_all()?.to_vec1::<f32>()?;
        let channels = x.dim(1)?;
        let places = values.len() / channels;
        let gain = |i: usize| (gradient[i] * (1.0 - values[i])).max(-gradient[i] * values[i]);
        let mut taken = vec![false; places];
        self.changed.iter().for_each(|p| taken[*p] = true);
        let mut free: Vec<(usize, f32)> = (0..places)
            .filter(|p| !taken[*p])
            .map(|p| (p, (0..channels).map(|c| gain(c * places + p)).sum()))
            .collect();
        let allowed = (params.float("gamma") * places as f64) as usize;
        let count = params.count("pixels_per_step").min(allowed.saturating_sub(self.changed.len())).min(free.len());
        if count == 0 {
            self.finished = true;
            return Ok(values);
        }
        free.select_nth_unstable_by(count - 1, |a, b| b.1.total_cmp(&a.1));
        free.truncate(count);
        free.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (place, _) in free {
            for c in 0..channels {
                let i = c * places + place;
                values[i] = if gradient[i] > 0.0 { 1.0 } else { 0.0 };
            }
            self.changed.push(place);
        }
        Ok(values)
    }

    /// Gives pixels back, fewer at a time as it gets harder.
    fn give_back(&mut self, example: &Example, x: &Tensor, at: &LossAt) -> Result<Vec<f32>> {
        let original = example.original.flatten_all()?.to_vec1::<f32>()?;
        let mut values = x.flatten_all()?.to_vec1::<f32>()?;
        let channels = x.dim(1)?;
        let places = values.len() / channels;
        let mut block = self.giving_back.unwrap_or(self.changed.len() / 2).max(1);
        if !self.last_try.is_empty() && !example.is_met(&at.logits) {
            // Too much: these pixels are needed. Their end is where they had been taken to.
            for (i, end) in self.last_try.iter().map(|v| (v / 2, v % 2)) {
                values[i] = end as f32;
                if i < places {
                    self.changed.push(i);
                }
            }
            self.tried += self.last_try.len() / channels;
        }
        self.last_try.clear();
        if self.tried >= self.changed.len() {
            if block == 1 {
                self.finished = true;
                self.note = Some(format!("{} pixels are needed", self.changed.len()));
                return Ok(values);
            }
            (block, self.tried) = (block / 2, 0);
        }
        self.giving_back = Some(block);
        // The least useful that are left to try. Needed ones were put back at the end, hence from the front.
        let count = block.min(self.changed.len() - self.tried);
        let end = self.changed.len() - self.tried;
        for place in self.changed.drain(end - count..end) {
            for c in 0..channels {
                let i = c * places + place;
                self.last_try.push(2 * i + usize::from(values[i] > 0.5));
                values[i] = original[i];
            }
        }
        Ok(values)
    }
}

impl Rule for Sparse {
    fn loss(&self) -> Loss {
        Loss::Margin
    }

    fn pick(&self) -> Pick {
        Pick::Smallest
    }

    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor> {
        let mistaken = self.giving_back.is_some() || example.is_met(&at.logits);
        let values = if mistaken { self.give_back(example, x, at)? } else { self.take(params, x, at)? };
        Ok(Tensor::from_vec(values, x.dims(), x.device())?)
    }

    fn is_finished(&self) -> bool {
        self.finished
    }

    fn note(&mut self) -> Option<String> {
        self.note.take()
    }

    fn save(&self) -> State {
        let state = State::default().with_value("changed", &self.changed).with_value("tried", self.tried);
        state.with_value("giving_back", self.giving_back).with_value("last_try", &self.last_try)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.changed, self.tried) = (state.value("changed")?, state.value("tried")?);
        (self.giving_back, self.last_try) = (state.value("giving_back")?, state.value("last_try")?);
        Ok(())
    }
}
