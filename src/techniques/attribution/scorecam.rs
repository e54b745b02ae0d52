//! Score-CAM: channels weighted by what the class makes of the photo seen through them.

use super::channels::{by_activity, weighted};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE};
use super::subject::{BATCH, Subject};
use crate::error::Result;
use crate::model::softmax;
use crate::optim::{Corners, bilinear};
use crate::techniques::api::{Params, State};
use candle_core::{IndexOp, Tensor};

/// relu(Σ_k w_k·A_k) with w the softmax over channels of z_c on x ⊙ M_k; M_k is A_k enlarged bilinearly (corners
/// aligned) and scaled to 0–1, as pytorch-grad-cam does. Channels that are constant mask everything; they share one pass.
pub(super) static METHOD: Method = Method {
    id: "scorecam",
    about: "a layer's channels weighted by what the class makes of the photo seen through them; no gradients",
    definition: "relu(Σ_k w_k·A_k), w = softmax over channels of z_c on x masked by each upsampled, 0–1 scaled A_k",
    reference: "Wang et al. 2020, arXiv:1910.01279",
    layer: true,
    params: &[TOLERANCE],
    explain: Explain::Live(start),
};

struct ScoreCam {
    activations: Tensor,
    /// Channels still to be looked at, the most active first.
    order: Vec<usize>,
    /// z_c behind each channel's mask.
    scores: Vec<Option<f32>>,
}

fn start(subject: &Subject, _: &Params) -> Result<Box<dyn Estimator>> {
    let activations = subject.activations()?;
    let flat = activations.squeeze(0)?.flatten_from(1)?;
    let (low, high) = (flat.min(1)?.to_vec1::<f32>()?, flat.max(1)?.to_vec1::<f32>()?);
    let mut scores = vec![None; low.len()];
    let mut order = by_activity(&activations)?;
    if low.iter().zip(&high).any(|(low, high)| low >= high) {
        let nothing = subject.scores_of(&subject.input().zeros_like()?)?[0];
        order.retain(|&k| low[k] < high[k]);
        for k in (0..scores.len()).filter(|&k| low[k] >= high[k]) {
            scores[k] = Some(nothing);
        }
    }
    Ok(Box::new(ScoreCam { activations, order, scores }))
}

impl Estimator for ScoreCam {
    fn total(&self) -> usize {
        self.order.len().div_ceil(BATCH).max(1)
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let (_, _, h, w) = subject.input().dims4()?;
        let channels: Vec<usize> = self.order.iter().skip(number * BATCH).take(BATCH).copied().collect();
        if channels.is_empty() {
            return Ok(());
        }
        let maps =
            channels.iter().map(|&k| self.activations.i((.., k..=k))).collect::<candle_core::Result<Vec<_>>>()?;
        let large = bilinear(&Tensor::cat(&maps, 0)?, (h, w), Corners::Aligned)?;
        let flat = large.flatten_from(1)?;
        let (low, high) = (flat.min_keepdim(1)?, flat.max_keepdim(1)?);
        let range = ((high - &low)? + 1e-8)?;
        let masks = flat.broadcast_sub(&low)?.broadcast_div(&range)?.reshape(large.shape())?;
        for (k, score) in channels.into_iter().zip(subject.scores_of(&subject.input().broadcast_mul(&masks)?)?) {
            self.scores[k] = Some(score);
        }
        Ok(())
    }

    fn estimate(&self, _: &Subject) -> Result<Attribution> {
        // What has not been looked at yet weighs nothing.
        let scores: Vec<f32> = self.scores.iter().map(|s| s.unwrap_or(f32::NEG_INFINITY)).collect();
        weighted(&self.activations, &softmax(&scores))
    }

    fn save(&self) -> State {
        State::default().with_value("scores", &self.scores)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.scores = state.list("scores", self.scores.len())?;
        Ok(())
    }
}
