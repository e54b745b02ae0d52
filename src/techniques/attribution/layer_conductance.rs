//! Layer conductance: how much of the score flows through each place of a layer.

use super::baseline::{BASELINE, baseline};
use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE};
use super::path::{gauss_legendre, on_the_way};
use super::subject::Subject;
use crate::error::Result;
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::Tensor;

/// Σ_i ∂z_c/∂A(α_i) ⊙ (A(α_{i+1}) − A(α_i)) along the way from the baseline to the input, at the Gauss–Legendre nodes
/// α of `points` + 1 points, as Captum's `LayerConductance`; summed over the channels.
pub(super) static METHOD: Method = Method {
    id: "layer-conductance",
    about: "how much of the class score flows through each place of a layer on the way from nothing to the photo",
    definition: "Σ_i ∂z_c/∂A(α_i) ⊙ (A(α_{i+1}) − A(α_i)) at 51 Gauss–Legendre nodes from b = 0 to x; summed over channels",
    reference: "Dhamdhere, Sundararajan & Yan 2018, arXiv:1805.12233",
    layer: true,
    params: &[
        ParamSpec {
            name: "points",
            kind: ParamKind::Int { min: 1, max: 1000, default: 50 },
            unit: "",
            help: "differences taken along the way",
            live: false,
        },
        BASELINE,
        TOLERANCE,
    ],
    explain: Explain::Live(start),
};

struct Conductance {
    baseline: Tensor,
    alphas: Vec<f64>,
    sum: Tensor,
    /// Activations and gradient at the last node.
    last: Option<(Tensor, Tensor)>,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let alphas = gauss_legendre(params.count("points") + 1).into_iter().map(|(alpha, _)| alpha).collect();
    let sum = subject.activations()?.zeros_like()?;
    Ok(Box::new(Conductance { baseline: baseline(subject, params)?, alphas, sum, last: None }))
}

impl Conductance {
    fn look(&self, subject: &Subject, node: usize) -> Result<(Tensor, Tensor)> {
        let point = on_the_way(subject.input(), &self.baseline, &[self.alphas[node]])?;
        let (activations, gradient) = subject.gradients_of(&point, &subject.layer)?;
        Ok((subject.at_places(activations.get(&subject.layer)?)?, subject.at_places(gradient)?))
    }
}

impl Estimator for Conductance {
    fn total(&self) -> usize {
        self.alphas.len() - 1
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let (before, gradient) = match self.last.take() {
            Some(last) => last,
            None => self.look(subject, number)?,
        };
        let next = self.look(subject, number + 1)?;
        self.sum = (&self.sum + (gradient * (&next.0 - before)?)?)?;
        self.last = Some(next);
        Ok(())
    }

    fn estimate(&self, _: &Subject) -> Result<Attribution> {
        Attribution::map(&self.sum.sum((0, 1))?)
    }

    fn save(&self) -> State {
        let state = State::default().with("sum", &self.sum);
        match &self.last {
            Some((activations, gradient)) => state.with("activations", activations).with("gradient", gradient),
            None => state,
        }
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.sum = state.tensor("sum")?;
        self.last = state.tensor("activations").ok().zip(state.tensor("gradient").ok());
        Ok(())
    }
}
