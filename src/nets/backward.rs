//! The backward pass from seeds.

use super::network::{LayerName, Network, Op};
use super::pass::{Activations, Keep};
use crate::error::{Error, Result};
use crate::kernels::{Map, ReluRule, concat_vjp};
use candle_core::Tensor;

/// Gradients at the layers a backward pass was asked for.
#[derive(Debug)]
pub struct Gradients(Vec<(LayerName, Tensor)>);

impl Gradients {
    /// The gradient at a layer, in the shape of its output.
    ///
    /// # Errors
    /// If it was not asked for.
    pub fn get(&self, layer: &LayerName) -> Result<&Tensor> {
        self.0
            .iter()
            .find(|(name, _)| name == layer)
            .map(|(_, tensor)| tensor)
            .ok_or_else(|| Error::unknown("gradient", layer.as_str(), "ask for it in the backward pass"))
    }

    /// The gradient at the network's input, `[N, 3, H, W]`.
    ///
    /// # Errors
    /// If it was not asked for.
    pub fn input(&self) -> Result<&Tensor> {
        self.get(&LayerName::INPUT.into())
    }
}

impl Network {
    /// The backward pass: from `seeds`, the gradient of a scalar at some tapped layers in the shape of their
    /// outputs, to the gradient of that scalar at the layers `wrt`. Rectifiers pass gradients by `rule`.
    ///
    /// # Errors
    /// If a layer does not exist, a seed has the wrong shape, or the activations came from [`Network::infer`].
    pub fn backward(
        &self,
        activations: &Activations,
        seeds: &[(LayerName, Tensor)],
        wrt: &[LayerName],
        rule: ReluRule,
    ) -> Result<Gradients> {
        self.pull(activations, seeds, wrt, &mut |i, dy| self.vjp_node(i, activations, dy, rule))
    }

    /// Walks the graph from its output to its input. `pass` turns what arrived at a node's output into what goes
    /// on to each of its inputs; what arrives at one output from several readers is summed.
    pub(super) fn pull(
        &self,
        activations: &Activations,
        seeds: &[(LayerName, Tensor)],
        wrt: &[LayerName],
        pass: &mut dyn FnMut(usize, Map) -> Result<Vec<(usize, Map)>>,
    ) -> Result<Gradients> {
        if activations.keep < Keep::Gates {
            return Err(candle_core::Error::Msg("a pass made by infer() cannot go backward".into()).into());
        }
        let wanted =
            wrt.iter().map(|name| Ok((name, self.node(name)?))).collect::<Result<Vec<(&LayerName, usize)>>>()?;
        // Only nodes from which a wanted layer can be reached backwards carry gradients.
        let mut leads = vec![false; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            leads[i] = wanted.iter().any(|(_, w)| *w == i) || node.inputs.iter().any(|&j| leads[j]);
        }
        let mut grads: Vec<Option<Map>> = vec![None; self.nodes.len()];
        for (name, seed) in seeds {
            let i = self.node(name)?;
            if seed.dims() != activations.shapes[i] {
                return Err(candle_core::Error::Msg(format!(
                    "a seed of shape {:?} does not fit layer {name} of shape {:?}",
                    seed.dims(),
                    activations.shapes[i]
                ))
                .into());
            }
            accumulate(&mut grads[i], self.import(seed)?)?;
        }
        let mut found: Vec<Option<Tensor>> = vec![None; wanted.len()];
        for i in (0..self.nodes.len()).rev() {
            if !leads[i] {
                grads[i] = None;
                continue;
            }
            let Some(dy) = grads[i].take() else { continue };
            for (slot, _) in found.iter_mut().zip(&wanted).filter(|(_, (_, w))| *w == i) {
                *slot = Some(dy.to_tensor()?);
            }
            if self.nodes[i].inputs.iter().any(|&j| leads[j]) {
                for (j, dx) in pass(i, dy)? {
                    if leads[j] {
                        accumulate(&mut grads[j], dx)?;
                    }
                }
            }
        }
        let mut gradients = Vec::with_capacity(wanted.len());
        for ((name, i), tensor) in wanted.into_iter().zip(found) {
            let tensor = match tensor {
                Some(tensor) => tensor,
                // Nothing flows there: the gradient is zero.
                None => Tensor::zeros(&activations.shapes[i], candle_core::DType::F32, self.device())?,
            };
            gradients.push((name.clone(), tensor));
        }
        Ok(Gradients(gradients))
    }

    pub(super) fn vjp_node(
        &self,
        i: usize,
        activations: &Activations,
        dy: Map,
        rule: ReluRule,
    ) -> Result<Vec<(usize, Map)>> {
        let node = &self.nodes[i];
        let Some(&input) = node.inputs.first() else { return Ok(vec![]) };
        let [_, _, h, w] = activations.shapes[input];
        Ok(match &node.op {
            Op::Input => vec![],
            Op::Conv(conv) => vec![(input, conv.vjp((h, w), &dy)?)],
            Op::Activation(activation) => vec![(input, activation.vjp(activations.saved(i)?, dy, rule)?)],
            Op::MaxPool(pool) => vec![(input, pool.vjp(activations.saved(input)?, &dy)?)],
            Op::GlobalAvgPool(pool) => vec![(input, pool.vjp((h, w), &dy)?)],
            Op::Add => vec![(input, dy.clone()), (node.inputs[1], dy)],
            Op::Concat => {
                let widths: Vec<usize> = node.inputs.iter().map(|&j| activations.shapes[j][1]).collect();
                node.inputs.iter().copied().zip(concat_vjp(&dy, &widths)?).collect()
            }
        })
    }
}

fn accumulate(slot: &mut Option<Map>, dx: Map) -> candle_core::Result<()> {
    *slot = Some(match slot.take() {
        Some(sum) => sum.accumulate(&dx)?,
        None => dx,
    });
    Ok(())
}
