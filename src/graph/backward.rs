//! The backward pass from seeds.

use super::forward::{Activations, Keep};
use super::graph::{Graph, LayerName, Op};
use crate::error::{Error, Result};
use crate::kernels::{Gate, Map, ReluRule, concat_vjp, in_pool};
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

    /// The gradient at the network's input, `[N, C, H, W]`.
    ///
    /// # Errors
    /// If it was not asked for.
    pub fn input(&self) -> Result<&Tensor> {
        self.get(&LayerName::INPUT.into())
    }
}

/// The gradient of a scalar at a layer.
#[derive(Debug)]
pub enum Seed {
    /// In the shape of the layer's output.
    Given(Map),
    /// M F for a symmetric matrix M `[C, C]` and the layer's output F. It is made when the pass comes there.
    Mixing(Tensor),
}

/// The forward pass that a backward pass goes back over.
pub(super) enum Trail<'a> {
    Lent(&'a Activations),
    /// Given up on the way: what the pass has gone past is freed.
    Own(Activations),
}

impl Trail<'_> {
    fn get(&self) -> &Activations {
        match self {
            Self::Lent(activations) => activations,
            Self::Own(activations) => activations,
        }
    }

    fn leave(&mut self, node: usize) {
        if let Self::Own(activations) = self
            && let Some(map) = activations.maps.get_mut(node)
        {
            *map = None;
        }
    }
}

/// What turns the gradient at a node's output into that at its inputs.
pub(super) type Pass<'a> = dyn FnMut(usize, Map, Ahead, &Activations) -> Result<Vec<(usize, Map)>> + 'a;

/// What a layer can deal with while it passes a gradient on.
#[derive(Default)]
pub(super) struct Ahead {
    /// What other readers have passed to this layer's input already.
    onto: Option<Map>,
    /// The rectifier that this layer reads.
    rectifier: Option<usize>,
}

impl Graph {
    /// The backward pass: from `seeds`, the gradient of a scalar at some tapped layers in the shape of their
    /// outputs, to the gradient of that scalar at the layers `wrt`. Rectifiers pass gradients by `rule`.
    ///
    /// # Errors
    /// If a layer does not exist, a seed has the wrong shape, or the activations came from [`Graph::infer`].
    pub fn backward(
        &self,
        activations: &Activations,
        seeds: &[(LayerName, Tensor)],
        wrt: &[LayerName],
        rule: ReluRule,
    ) -> Result<Gradients> {
        self.differentiate(Trail::Lent(activations), self.imported(seeds)?, wrt, rule)
    }

    pub(super) fn imported(&self, seeds: &[(LayerName, Tensor)]) -> Result<Vec<(LayerName, Seed)>> {
        seeds.iter().map(|(name, seed)| Ok((name.clone(), Seed::Given(self.import(seed)?)))).collect()
    }

    /// [`Graph::backward`] of a forward pass that nobody needs any more, which takes less memory.
    ///
    /// # Errors
    /// As there.
    pub fn backward_from(
        &self,
        activations: Activations,
        seeds: Vec<(LayerName, Seed)>,
        wrt: &[LayerName],
        rule: ReluRule,
    ) -> Result<Gradients> {
        self.differentiate(Trail::Own(activations), seeds, wrt, rule)
    }

    fn differentiate(
        &self,
        trail: Trail<'_>,
        seeds: Vec<(LayerName, Seed)>,
        wrt: &[LayerName],
        rule: ReluRule,
    ) -> Result<Gradients> {
        in_pool(|| {
            self.pull(trail, seeds, wrt, true, &mut |i, dy, ahead, activations| {
                let node = &self.nodes[i];
                let Some(&input) = node.inputs.first() else { return Ok(vec![]) };
                let (onto, [_, _, h, w]) = (ahead.onto.as_ref(), activations.shapes[input]);
                let gate = match ahead.rectifier.map(|j| (j, &self.nodes[j].op)) {
                    Some((j, Op::Activation(activation))) => {
                        Some(Gate { y: activations.saved(j)?, activation: *activation, rule })
                    }
                    _ => None,
                };
                let to = ahead.rectifier.map_or(input, |j| self.nodes[j].inputs[0]);
                match &node.op {
                    Op::Conv(conv) => Ok(vec![(to, conv.vjp_through((h, w), &dy, onto, gate)?)]),
                    Op::MaxPool(pool) => {
                        Ok(vec![(to, pool.vjp_through(activations.saved(input)?, &dy, onto, gate)?)])
                    }
                    _ => self.vjp_node(i, activations, dy, rule),
                }
            })
        })
    }

    /// What lies ahead of node `i` on the way back, if the node can deal with it in passing: what has arrived at its
    /// input from other readers, and the rectifier there if nobody else comes after.
    fn ahead(
        &self,
        i: usize,
        arrived: &mut Arrived,
        at: &Activations,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Ahead> {
        let (Op::Conv(_) | Op::MaxPool(_), &[input]) = (&self.nodes[i].op, self.nodes[i].inputs.as_slice()) else {
            return Ok(Ahead::default());
        };
        let first = self.nodes[input + 1..i].iter().all(|node| !node.inputs.contains(&input));
        let rectifier = first && !wanted(input) && matches!(self.nodes[input].op, Op::Activation(_));
        Ok(Ahead { onto: arrived.take(input, at)?, rectifier: rectifier.then_some(input) })
    }

    /// Walks the graph from its output to its input. `pass` turns what arrived at a node's output into what goes
    /// on to each of its inputs; what arrives at one output from several readers is summed. With `at_once`, layers
    /// that can are told what lies ahead and deal with it in passing.
    pub(super) fn pull(
        &self,
        mut trail: Trail<'_>,
        seeds: Vec<(LayerName, Seed)>,
        wrt: &[LayerName],
        at_once: bool,
        pass: &mut Pass<'_>,
    ) -> Result<Gradients> {
        let activations = trail.get();
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
        let mut arrived = Arrived { grads: vec![None; self.nodes.len()], seeds: vec![] };
        for (name, seed) in seeds {
            let i = self.node(&name)?;
            let [n, c, h, w] = activations.shapes[i];
            let shape = match &seed {
                Seed::Given(map) => map.shape(),
                Seed::Mixing(matrix) => [n, matrix.dims2()?.0, h, w],
            };
            if shape != [n, c, h, w] {
                return Err(candle_core::Error::Msg(format!(
                    "a seed of shape {shape:?} does not fit layer {name} of shape {:?}",
                    activations.shapes[i]
                ))
                .into());
            }
            arrived.seeds.push((i, seed));
        }
        let mut found: Vec<Option<Tensor>> = vec![None; wanted.len()];
        for i in (0..self.nodes.len()).rev() {
            // Whoever reads node i has passed on what it had to.
            trail.leave(i + 1);
            let activations = trail.get();
            let Some(dy) = (if leads[i] { arrived.take(i, activations)? } else { None }) else { continue };
            for (slot, _) in found.iter_mut().zip(&wanted).filter(|(_, (_, w))| *w == i) {
                *slot = Some(dy.to_tensor()?);
            }
            if self.nodes[i].inputs.iter().any(|&j| leads[j]) {
                let is_wanted = |j| wanted.iter().any(|(_, w)| *w == j);
                let ahead =
                    if at_once { self.ahead(i, &mut arrived, activations, is_wanted)? } else { Ahead::default() };
                for (j, dx) in pass(i, dy, ahead, activations)? {
                    if leads[j] {
                        accumulate(&mut arrived.grads[j], dx)?;
                    }
                }
            }
        }
        let shapes = &trail.get().shapes;
        let mut gradients = Vec::with_capacity(wanted.len());
        for ((name, i), tensor) in wanted.into_iter().zip(found) {
            let tensor = match tensor {
                Some(tensor) => tensor,
                // Nothing flows there: the gradient is zero.
                None => Tensor::zeros(&shapes[i], candle_core::DType::F32, self.device())?,
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

/// What has come to the nodes' outputs so far, and the seeds that have not been added yet.
struct Arrived {
    grads: Vec<Option<Map>>,
    seeds: Vec<(usize, Seed)>,
}

impl Arrived {
    /// The sum at a node that no more will come to.
    fn take(&mut self, node: usize, at: &Activations) -> Result<Option<Map>> {
        for (_, seed) in self.seeds.extract_if(.., |(i, _)| *i == node) {
            let map = match seed {
                Seed::Given(map) => map,
                Seed::Mixing(matrix) => at.saved(node)?.mixed_channels(&matrix)?,
            };
            accumulate(&mut self.grads[node], map)?;
        }
        Ok(self.grads[node].take())
    }
}

fn accumulate(slot: &mut Option<Map>, dx: Map) -> candle_core::Result<()> {
    *slot = Some(match slot.take() {
        Some(sum) => sum.accumulate(&dx)?,
        None => dx,
    });
    Ok(())
}
