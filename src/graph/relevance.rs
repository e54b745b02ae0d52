//! Backward passes that hand on something else than the derivative: differences from a reference (DeepLIFT),
//! relevance (LRP), and what the biases contribute (FullGrad). The operators say how.

use super::backward::{Gradients, Trail};
use super::forward::{Activations, Record};
use super::layer::LayerName;
use super::network::Graph;
use super::rules::{Biases, DeepLift, Lrp, LrpRule, rescaled};
use super::value::Value;
use crate::error::{Error, Result};
use crate::kernels::ReluRule;
use candle_core::Tensor;

impl Graph {
    /// DeepLIFT's multipliers at the input under the rescale rule (Shrikumar et al. 2017, arXiv:1704.02685): a function
    /// of each value alone multiplies by Δy/Δx instead of the slope, Δ being the difference from the reference; where
    /// there is no difference the slope is taken, as Captum does. Max-pooling gives a window's rise to the pixel that
    /// is largest in `at` and its fall to the one that is largest in `reference`. Both passes come from
    /// [`Graph::trace`] over one picture each.
    ///
    /// # Errors
    /// [`Error::NoRule`] if an operator has no rule; if a seed has the wrong shape, or the passes kept too little.
    pub fn deeplift(
        &self,
        at: &Activations,
        reference: &Activations,
        seeds: &[(LayerName, Tensor)],
    ) -> Result<Tensor> {
        let (at, reference) = (at.single()?, reference.single()?);
        let gradients = self.walk(at, seeds, |i, dy| {
            let op = &self.nodes[i].op;
            let [here, there] = [at, reference].map(|record| record.point(&self.nodes, i, ReluRule::Standard));
            Ok(match op.rules().deeplift {
                DeepLift::Derivative => op.vjp(&here, dy)?,
                DeepLift::Rescale => {
                    let difference = |a: &Value, b: &Value| a.to_tensor()? - b.to_tensor()?;
                    let x = difference(here.input(0)?, there.input(0)?)?;
                    let shared = dy.to_tensor()?.mul(&difference(here.output()?, there.output()?)?)?;
                    let slopes = op.vjp(&here, dy)?;
                    let rescale = |slope: Value| Ok(slope.with(rescaled(&shared, &x, &slope.to_tensor()?)?));
                    slopes.into_iter().map(rescale).collect::<Result<_>>()?
                }
                DeepLift::Own(rule) => rule(&here, &there, dy)?,
                DeepLift::Unknown => return Err(self.no_rule("DeepLIFT", i)),
            })
        })?;
        Ok(gradients.input()?.clone())
    }

    /// Layer-wise relevance propagation (Bach et al. 2015, doi:10.1371/journal.pone.0130140; the γ rule of
    /// Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10, as Andéol et al. 2021, arXiv:2106.13555, extend it to
    /// inputs and outputs of either sign): a unit's relevance R is shared among its inputs in proportion to what each
    /// contributed, R_i = Σ_j c_ij R_j / Σ_i c_ij. Under γ, contributions x_i w_ij of the output's own sign count 1 + γ
    /// times. Functions of each value alone hand relevance on, sums share it by their terms,
    /// max-pooling gives it to the winner. Batch-norm is already folded into the weights.
    ///
    /// The answer is the relevance at the input `[1, C, H, W]` and the sum of what biases took.
    ///
    /// # Errors
    /// [`Error::NoRule`] if an operator has no rule; if a seed has the wrong shape, or the pass kept too little.
    pub fn lrp(&self, at: &Activations, seeds: &[(LayerName, Tensor)], rule: LrpRule) -> Result<(Tensor, f64)> {
        let at = at.single()?;
        let mut biases = 0.0;
        let constant = self.constants();
        let gradients = self.walk(at, seeds, |i, relevance| {
            let op = &self.nodes[i].op;
            let here = at.point(&self.nodes, i, ReluRule::Standard);
            let passed = match op.rules().lrp {
                Lrp::Identity => vec![relevance],
                Lrp::Origin => op.vjp(&here, relevance)?,
                Lrp::Contributions => {
                    let share = rule.quotient(&relevance.to_tensor()?, &here.output()?.to_tensor()?)?;
                    let back = op.vjp(&here, relevance.with(share))?;
                    let contribution = |(k, back): (usize, Value)| {
                        Ok(relevance.with((here.input(k)?.to_tensor()? * back.to_tensor()?)?))
                    };
                    back.into_iter().enumerate().map(contribution).collect::<Result<_>>()?
                }
                Lrp::Own(own) => {
                    let shared = own(&here, relevance, rule)?;
                    biases += shared.biases;
                    shared.inputs
                }
                Lrp::Unknown => return Err(self.no_rule("LRP", i)),
            };
            for (&input, relevance) in self.nodes[i].inputs.iter().zip(&passed) {
                if constant[input] {
                    biases += f64::from(relevance.to_tensor()?.sum_all()?.to_scalar::<f32>()?);
                }
            }
            Ok(passed)
        })?;
        Ok((gradients.input()?.clone(), biases))
    }

    /// What each layer's biases contribute to the seeded scalar, bias · ∂/∂(pre-activation), `[N, C, H, W]` a
    /// layer, and the gradient at the input. What is left of a function of each value alone at 0 when it is taken for its
    /// tangent counts as a bias, the cap of a saturated ReLU6 for one, so that
    /// Σ x·∂x + Σ biases is the scalar itself (Srinivas & Fleuret 2019, arXiv:1905.00780).
    ///
    /// # Errors
    /// [`Error::NoRule`] if an operator has no rule; if a seed has the wrong shape, or the pass kept too little.
    pub fn bias_terms(&self, at: &Activations, seeds: &[(LayerName, Tensor)]) -> Result<(Vec<Tensor>, Gradients)> {
        let at = at.single()?;
        let mut terms = vec![];
        let constant = self.constants();
        let gradients = self.walk(at, seeds, |i, dy| {
            let op = &self.nodes[i].op;
            let here = at.point(&self.nodes, i, ReluRule::Standard);
            let dx = op.vjp(&here, dy.clone())?;
            let product = |a: &Value, b: &Value| a.to_tensor()? * b.to_tensor()?;
            let term = match (op.rules().biases, dx.as_slice()) {
                (Biases::Nothing, _) => None,
                (Biases::Tangent, [dx]) => Some((product(&dy, here.output()?)? - product(dx, here.input(0)?)?)?),
                (Biases::Own(own), _) => own(&here, &dy)?,
                (Biases::Tangent | Biases::Unknown, _) => return Err(self.no_rule("FullGrad", i)),
            };
            if let Some(term) = term {
                terms.push(dy.with(term).to_maps()?.to_tensor()?);
            }
            for (k, dx) in dx.iter().enumerate().filter(|(k, _)| constant[self.nodes[i].inputs[*k]]) {
                terms.push(dy.with(product(dx, here.input(k)?)?).to_maps()?.to_tensor()?);
            }
            Ok(dx)
        })?;
        Ok((terms, gradients))
    }

    /// The way back to the input, on which `pass` turns what arrived at a node's output into what goes on to each of its
    /// inputs.
    fn walk(
        &self,
        at: &Record,
        seeds: &[(LayerName, Tensor)],
        mut pass: impl FnMut(usize, Value) -> Result<Vec<Value>>,
    ) -> Result<Gradients> {
        let wrt = [LayerName::INPUT.into()];
        self.pull(Trail::Lent(at), self.imported(seeds)?, &wrt, false, &mut |i, dy, _, _| {
            Ok(self.nodes[i].inputs.iter().copied().zip(pass(i, dy)?).collect())
        })
    }

    /// Whether a node does not depend on the picture: what comes to it counts as a bias's.
    fn constants(&self) -> Vec<bool> {
        self.leading(&[0]).into_iter().map(|leads| !leads).collect()
    }

    fn no_rule(&self, method: &'static str, node: usize) -> Error {
        let layer = self.owner(node).map_or_else(|| "the output".to_owned(), |name| format!("the layer \"{name}\""));
        Error::NoRule { method, operator: self.nodes[node].op.kind().words, layer }
    }
}
