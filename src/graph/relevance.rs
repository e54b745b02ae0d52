//! Backward passes that hand on something else than the derivative: differences from a reference (DeepLIFT),
//! relevance (LRP), and what the biases contribute (FullGrad).

use super::backward::Gradients;
use super::backward::{Ahead, Trail};
use super::forward::Activations;
use super::graph::{Graph, LayerName, Op};
use crate::error::Result;
use crate::kernels::{Activation, Conv2d, Map, ReluRule};
use candle_core::{DType, Tensor};

/// Differences from the reference below this are taken for none.
const NO_DIFFERENCE: f32 = 1e-10;

/// How LRP shares a unit's relevance among its inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrpRule {
    /// Added to every denominator, away from zero, in units of the layer's root mean square.
    pub epsilon: f64,
    /// How much more contributions of the output's own sign count: 0 is the ε rule.
    pub gamma: f64,
}

impl Graph {
    /// DeepLIFT's multipliers at the input under the rescale rule (Shrikumar et al. 2017, arXiv:1704.02685): a
    /// rectifier multiplies by Δy/Δx instead of the slope, Δ being the difference from the reference; where
    /// there is no difference the slope is taken, as Captum does. Max-pooling gives a window's rise to the pixel that
    /// is largest in `at` and its fall to the one that is largest in `reference`. Both passes come from [`Graph::trace`] over one picture each.
    ///
    /// # Errors
    /// If a seed has the wrong shape, or the passes kept too little.
    pub fn deeplift(
        &self,
        at: &Activations,
        reference: &Activations,
        seeds: &[(LayerName, Tensor)],
    ) -> Result<Tensor> {
        let differences = |node: usize| -> Result<Tensor> {
            Ok((at.saved(node)?.to_tensor()? - reference.saved(node)?.to_tensor()?)?)
        };
        let mut pass = |i: usize, dy: Map, _: Ahead, _: &Activations| -> Result<Vec<(usize, Map)>> {
            let node = &self.nodes[i];
            let input = node.inputs.first().copied().unwrap_or(0);
            if !matches!(node.op, Op::Activation(_) | Op::MaxPool(_)) {
                return self.vjp_node(i, at, dy, ReluRule::Standard);
            }
            let (x, y) = (differences(input)?, differences(i)?);
            let slope = self.through(i, at, dy.clone())?;
            let shared = dy.to_tensor()?.mul(&y)?;
            let shared = if matches!(node.op, Op::Activation(_)) {
                shared
            } else {
                // Whichever of the two windows is higher has its winner where the two passes differ.
                let rises = y.ge(0.0)?;
                let zero = shared.zeros_like()?;
                let (up, down) = (rises.where_cond(&shared, &zero)?, rises.where_cond(&zero, &shared)?);
                (self.through(i, at, self.import(&up)?)? + self.through(i, reference, self.import(&down)?)?)?
            };
            let differs = x.abs()?.gt(NO_DIFFERENCE)?;
            let safe = differs.where_cond(&x, &x.ones_like()?)?;
            Ok(vec![(input, self.import(&differs.where_cond(&(shared / safe)?, &slope)?)?)])
        };
        let wrt = [LayerName::INPUT.into()];
        Ok(self.pull(Trail::Lent(at), self.imported(seeds)?, &wrt, false, &mut pass)?.input()?.clone())
    }

    /// Layer-wise relevance propagation (Bach et al. 2015, doi:10.1371/journal.pone.0130140; the γ rule of
    /// Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10, as Andéol et al. 2021, arXiv:2106.13555, extend it to
    /// inputs and outputs of either sign): a unit's relevance R is shared among its inputs in proportion to what each
    /// contributed, R_i = Σ_j c_ij R_j / Σ_i c_ij. Under γ, contributions x_i w_ij of the output's own sign count 1 + γ
    /// times. Rectifiers hand relevance on, sums share it by their terms,
    /// max-pooling gives it to the winner. Batch-norm is already folded into the weights.
    ///
    /// The answer is the relevance at the input `[1, C, H, W]` and the sum of what biases took.
    ///
    /// # Errors
    /// If a seed has the wrong shape, or the pass kept too little.
    pub fn lrp(&self, at: &Activations, seeds: &[(LayerName, Tensor)], rule: LrpRule) -> Result<(Tensor, f64)> {
        let mut biases = 0.0;
        let mut pass = |i: usize, relevance: Map, _: Ahead, _: &Activations| -> Result<Vec<(usize, Map)>> {
            let node = &self.nodes[i];
            let Some(&input) = node.inputs.first() else { return Ok(vec![]) };
            let contribution = |node: usize, share: &Tensor| -> Result<(usize, Map)> {
                Ok((node, self.import(&(at.saved(node)?.to_tensor()? * share)?)?))
            };
            Ok(match &node.op {
                Op::Activation(_) => vec![(input, relevance)],
                Op::Conv(conv) => {
                    let x = at.saved(input)?.to_tensor()?;
                    let (shared, bias) = self.share(conv, &x, at.saved(i)?, &relevance.to_tensor()?, rule)?;
                    biases += bias;
                    vec![(input, self.import(&shared)?)]
                }
                Op::GlobalAvgPool(_) => {
                    let share = self.import(&quotient(&relevance.to_tensor()?, &at.saved(i)?.to_tensor()?, rule)?)?;
                    vec![contribution(input, &self.through(i, at, share)?)?]
                }
                Op::Add => {
                    let share = quotient(&relevance.to_tensor()?, &at.saved(i)?.to_tensor()?, rule)?;
                    vec![contribution(input, &share)?, contribution(node.inputs[1], &share)?]
                }
                Op::Input | Op::MaxPool(_) | Op::Concat => self.vjp_node(i, at, relevance, ReluRule::Standard)?,
            })
        };
        let wrt = [LayerName::INPUT.into()];
        let relevance = self.pull(Trail::Lent(at), self.imported(seeds)?, &wrt, false, &mut pass)?.input()?.clone();
        Ok((relevance, biases))
    }

    /// What each layer's biases contribute to the seeded scalar, bias · ∂/∂(pre-activation), `[N, C, H, W]` a
    /// layer, and the gradient at the input. The cap of a saturated ReLU6 counts as a bias, so that
    /// Σ x·∂x + Σ biases is the scalar itself (Srinivas & Fleuret 2019, arXiv:1905.00780).
    ///
    /// # Errors
    /// If a seed has the wrong shape, or the pass kept too little.
    pub fn bias_terms(&self, at: &Activations, seeds: &[(LayerName, Tensor)]) -> Result<(Vec<Tensor>, Gradients)> {
        let mut terms = vec![];
        let mut pass = |i: usize, dy: Map, _: Ahead, _: &Activations| -> Result<Vec<(usize, Map)>> {
            match &self.nodes[i].op {
                Op::Conv(conv) => {
                    if let Some(bias) = conv.bias() {
                        let bias = bias.reshape((1, (), 1, 1))?.to_device(self.device())?;
                        terms.push(dy.to_tensor()?.broadcast_mul(&bias)?);
                    }
                }
                Op::Activation(activation @ Activation::Relu6) => {
                    let saturated = at.saved(i)?.to_tensor()?.ge(activation.cap())?.to_dtype(DType::F32)?;
                    terms.push((dy.to_tensor()?.mul(&saturated)? * f64::from(activation.cap()))?);
                }
                _ => {}
            }
            self.vjp_node(i, at, dy, ReluRule::Standard)
        };
        let gradients =
            self.pull(Trail::Lent(at), self.imported(seeds)?, &[LayerName::INPUT.into()], false, &mut pass)?;
        Ok((terms, gradients))
    }

    /// The derivative through a node with one input, as a tensor.
    fn through(&self, i: usize, at: &Activations, dy: Map) -> Result<Tensor> {
        let mut passed = self.vjp_node(i, at, dy, ReluRule::Standard)?;
        Ok(passed.swap_remove(0).1.to_tensor()?)
    }

    /// A convolution's relevance shared among its inputs `x`, and the sum of what its biases took.
    fn share(&self, conv: &Conv2d, x: &Tensor, z: &Map, relevance: &Tensor, rule: LrpRule) -> Result<(Tensor, f64)> {
        let (_, _, h, w) = x.dims4()?;
        let forward =
            |conv: &Conv2d, x: &Tensor| -> Result<Tensor> { Ok(conv.forward(&self.import(x)?, None)?.to_tensor()?) };
        let back =
            |conv: &Conv2d, s: &Tensor| -> Result<Tensor> { Ok(conv.vjp((h, w), &self.import(s)?)?.to_tensor()?) };
        let z = z.to_tensor()?;
        if rule.gamma == 0.0 {
            let share = quotient(relevance, &z, rule)?;
            return Ok(((x * back(conv, &share)?)?, of_biases(conv, &share, |b| b)?));
        }
        let (up, down) = (x.relu()?, x.neg()?.relu()?.neg()?);
        let (positive, negative) = (conv.positive_part()?, conv.negative_part()?);
        let mut shared = x.zeros_like()?;
        let mut taken = 0.0;
        for sign in [1.0, -1.0] {
            // The outputs of this sign, and the contributions that have it too.
            let mine = if sign > 0.0 { z.ge(0.0)? } else { z.lt(0.0)? }.to_dtype(DType::F32)?;
            let (with_up, with_down) = if sign > 0.0 { (&positive, &negative) } else { (&negative, &positive) };
            let mut own = (forward(with_up, &up)? + forward(with_down, &down)?)?;
            if let Some(bias) = conv.bias() {
                let bias = ((bias * sign)?.relu()? * sign)?.reshape((1, (), 1, 1))?;
                own = own.broadcast_add(&bias.to_device(self.device())?)?;
            }
            let denominator = (&z + (own * rule.gamma)?)?;
            let share = (quotient(relevance, &denominator, rule)? * mine)?;
            let more = ((&up * back(with_up, &share)?)? + (&down * back(with_down, &share)?)?)?;
            shared = ((shared + (x * back(conv, &share)?)?)? + (more * rule.gamma)?)?;
            taken += of_biases(conv, &share, |b| if b * sign > 0.0 { b * (1.0 + rule.gamma) } else { b })?;
        }
        Ok((shared, taken))
    }
}

/// What the biases, each as it counts, took of the shares.
fn of_biases(conv: &Conv2d, share: &Tensor, counts: impl Fn(f64) -> f64) -> Result<f64> {
    let Some(bias) = conv.bias() else { return Ok(0.0) };
    let shares = share.sum((0, 2, 3))?.to_vec1::<f32>()?;
    let biases = bias.to_vec1::<f32>()?;
    Ok(biases.into_iter().zip(shares).map(|(b, s)| counts(f64::from(b)) * f64::from(s)).sum())
}

/// R / z with the denominator kept away from zero by ε times its root mean square.
fn quotient(relevance: &Tensor, z: &Tensor, rule: LrpRule) -> Result<Tensor> {
    let scale = f64::from(z.sqr()?.mean_all()?.to_scalar::<f32>()?).sqrt();
    let least = (rule.epsilon * scale).max(f64::from(f32::MIN_POSITIVE));
    let positive = z.ge(0.0)?;
    let away = positive.where_cond(&(z + least)?, &(z - least)?)?;
    Ok((relevance / away)?)
}
