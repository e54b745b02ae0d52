//! Ablation-CAM: channels weighted by what the class loses without them.

use super::channels::{by_activity, weighted};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE};
use super::subject::Subject;
use crate::error::Result;
use crate::graph::LayerName;
use crate::techniques::api::{Params, State};
use candle_core::{IndexOp, Tensor};

/// relu(Σ_k w_k·A_k), w_k = (z_c − z_c without channel k)/z_c; a channel is taken away by setting it to 0, as in the
/// paper (pytorch-grad-cam sets it to a very negative number where activations can be negative). Only the layers
/// after the ablated one run again.
pub(super) static METHOD: Method = Method {
    id: "ablationcam",
    about: "a layer's channels weighted by what the class loses without them; no gradients",
    definition: "relu(Σ_k w_k·A_k), w_k = (z_c − z_c with A_k = 0)/z_c",
    reference: "Desai & Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360",
    layer: true,
    params: &[TOLERANCE],
    explain: Explain::Live(start),
};

/// Channels an update takes away, each from a copy of the layer.
const TOGETHER: usize = 16;

struct AblationCam {
    activations: Tensor,
    /// Channels, the most active first.
    order: Vec<usize>,
    weights: Vec<f32>,
}

fn start(subject: &Subject, _: &Params) -> Result<Box<dyn Estimator>> {
    let activations = subject.whole_activations()?;
    let order = by_activity(&activations)?;
    let weights = vec![0.0; order.len()];
    Ok(Box::new(AblationCam { activations, order, weights }))
}

impl Estimator for AblationCam {
    fn total(&self) -> usize {
        self.order.len().div_ceil(TOGETHER)
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let channels: Vec<usize> = self.order.iter().skip(number * TOGETHER).take(TOGETHER).copied().collect();
        let zero = self.activations.i((.., 0..1))?.zeros_like()?;
        let last = self.weights.len();
        let without = |&k: &usize| -> candle_core::Result<Tensor> {
            let parts = [(0, k), (k + 1, last)].map(|(from, to)| self.activations.narrow(1, from, to - from));
            let [before, after] = parts;
            Tensor::cat(&[before?, zero.clone(), after?], 1)
        };
        let copies = Tensor::cat(&channels.iter().map(without).collect::<candle_core::Result<Vec<_>>>()?, 0)?;
        let output: LayerName = LayerName::LOGITS.into();
        // Where a connection goes around the layer, the input has to run again too.
        let inputs = subject.input().repeat((channels.len(), 1, 1, 1))?;
        let passes = subject.model().graph.infer_from(&inputs, &subject.layer, &copies, &[output])?;
        let whole = subject.score();
        for (k, logits) in channels.into_iter().zip(passes.logits()?.to_vec2::<f32>()?) {
            self.weights[k] = (whole - logits[subject.class]) / whole;
        }
        Ok(())
    }

    fn estimate(&self, subject: &Subject) -> Result<Attribution> {
        weighted(&subject.at_places(self.activations.clone())?, &self.weights)
    }

    fn save(&self) -> State {
        State::default().with_value("weights", &self.weights)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.weights = state.list("weights", self.weights.len())?;
        Ok(())
    }
}
