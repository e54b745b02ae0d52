//! The backward pass from seeds.

use super::forward::{Activations, PassKind, Record};
use super::fuse::{self, Through};
use super::layer::{LayerName, as_maps};
use super::network::Graph;
use super::value::Value;
use crate::error::{Error, Result};
use crate::kernels::{Map, ReluRule, in_pool};
use candle_core::{DType, Tensor};

/// Gradients at the layers a backward pass was asked for.
#[derive(Debug)]
pub struct Gradients(Vec<(LayerName, Tensor)>);

impl Gradients {
    /// The gradient at a layer, in the shape that [`Activations::get`] gives its output.
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

    /// The gradients of single pictures together.
    fn joined(mut pictures: Vec<Self>) -> Result<Self> {
        if pictures.len() == 1 {
            return Ok(pictures.remove(0));
        }
        let Some(first) = pictures.first() else { return Ok(Self(vec![])) };
        let joined = first.0.iter().enumerate().map(|(k, (name, _))| {
            let parts: Vec<&Tensor> = pictures.iter().map(|gradients| &gradients.0[k].1).collect();
            Ok((name.clone(), Tensor::cat(&parts, 0)?))
        });
        Ok(Self(joined.collect::<Result<_>>()?))
    }
}

/// The gradient of a scalar at a layer.
#[derive(Debug, Clone)]
pub enum Seed {
    /// In the shape of the layer's output.
    Given(Map),
    /// M F for a symmetric matrix M `[C, C]` and the layer's output F. It is made when the pass comes there.
    Mixing(Tensor),
}

/// The forward pass that a backward pass goes back over.
pub(super) enum Trail<'a> {
    Lent(&'a Record),
    /// Given up on the way: what the pass has gone past is freed.
    Own(Record),
}

impl Trail<'_> {
    fn get(&self) -> &Record {
        match self {
            Self::Lent(record) => record,
            Self::Own(record) => record,
        }
    }

    fn leave(&mut self, node: usize) {
        if let Self::Own(record) = self
            && let Some(value) = record.values.get_mut(node)
        {
            *value = None;
        }
    }
}

/// What turns the gradient at a node's output into that at its inputs, or at what lies before them.
pub(super) type Pass<'a> = dyn FnMut(usize, Value, Ahead, &Record) -> Result<Vec<(usize, Value)>> + 'a;

/// What a layer can deal with while it passes a gradient on.
#[derive(Default)]
pub(super) struct Ahead {
    /// What other readers have passed to this layer's input already.
    onto: Option<Value>,
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
        let trails = activations.records.iter().map(Trail::Lent).collect();
        self.differentiate(trails, activations.purpose, self.imported(seeds)?, wrt, rule)
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
        let purpose = activations.purpose;
        let trails = activations.records.into_iter().map(Trail::Own).collect();
        self.differentiate(trails, purpose, seeds, wrt, rule)
    }

    fn differentiate(
        &self,
        mut trails: Vec<Trail<'_>>,
        purpose: PassKind,
        seeds: Vec<(LayerName, Seed)>,
        wrt: &[LayerName],
        rule: ReluRule,
    ) -> Result<Gradients> {
        if purpose < PassKind::Gradient {
            return Err(candle_core::Error::Msg("a pass made by infer() cannot go backward".into()).into());
        }
        in_pool(|| {
            if trails.len() == 1 {
                return self.differentiate_one(trails.remove(0), seeds, wrt, rule);
            }
            let count = trails.len();
            let pictures = trails.into_iter().enumerate().map(|(n, trail)| {
                let seeds = seeds.iter().map(|(name, seed)| Ok((name.clone(), self.of_picture(seed, n, count)?)));
                self.differentiate_one(trail, seeds.collect::<Result<_>>()?, wrt, rule)
            });
            Gradients::joined(pictures.collect::<Result<_>>()?)
        })
    }

    /// The part of a seed that belongs to picture `n` of `count`.
    fn of_picture(&self, seed: &Seed, n: usize, count: usize) -> Result<Seed> {
        Ok(match seed {
            Seed::Given(map) => {
                let all = map.to_tensor()?;
                if all.dim(0)? != count {
                    let reason = format!("a seed of shape {:?} does not fit {count} pictures", all.shape());
                    return Err(candle_core::Error::Msg(reason).into());
                }
                Seed::Given(self.import(&all.narrow(0, n, 1)?)?)
            }
            Seed::Mixing(matrix) => Seed::Mixing(matrix.clone()),
        })
    }

    fn differentiate_one(
        &self,
        trail: Trail<'_>,
        seeds: Vec<(LayerName, Seed)>,
        wrt: &[LayerName],
        rule: ReluRule,
    ) -> Result<Gradients> {
        self.pull(trail, seeds, wrt, true, &mut |i, dy, ahead, record| {
            let Some(through) = Through::new(&self.nodes[i]) else { return self.vjp_node(i, record, dy, rule) };
            let (at, input) = (record.point(&self.nodes, i, rule), self.nodes[i].inputs[0]);
            let Some(j) = ahead.rectifier else {
                return Ok(vec![(input, through.vjp(&at, &dy, ahead.onto, None)?)]);
            };
            let y = record.point(&self.nodes, j, rule).output()?.map()?;
            let gate = fuse::rectifier(&self.nodes[j]).map(|activation| fuse::gate(&y, activation, &at));
            Ok(vec![(self.nodes[j].inputs[0], through.vjp(&at, &dy, ahead.onto, gate)?)])
        })
    }

    /// What lies ahead of node `i` on the way back, if the node can deal with it in passing: what has arrived at its
    /// input from other readers, and the rectifier there if nobody else comes after.
    fn ahead(&self, i: usize, arrived: &mut Arrived, at: &Record, wanted: impl Fn(usize) -> bool) -> Result<Ahead> {
        let (Some(_), &[input]) = (Through::new(&self.nodes[i]), self.nodes[i].inputs.as_slice()) else {
            return Ok(Ahead::default());
        };
        let first = self.first_readers[input] == i;
        let rectifier = first && !wanted(input) && fuse::rectifier(&self.nodes[input]).is_some();
        Ok(Ahead { onto: arrived.take(input, at, self)?, rectifier: rectifier.then_some(input) })
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
        let record = trail.get();
        let wanted =
            wrt.iter().map(|name| Ok((name, self.node(name)?))).collect::<Result<Vec<(&LayerName, usize)>>>()?;
        let leads = self.leading(&wanted.iter().map(|(_, i)| *i).collect::<Vec<_>>());
        let mut arrived = Arrived { grads: vec![None; self.nodes.len()], seeds: vec![] };
        for (name, seed) in seeds {
            let i = self.node(&name)?;
            Self::check_seed(&name, &seed, &record.shapes[i])?;
            arrived.seeds.push((i, seed));
        }
        let mut found: Vec<Option<Tensor>> = vec![None; wanted.len()];
        for i in (0..self.nodes.len()).rev() {
            // Whoever reads node i has passed on what it had to.
            trail.leave(i + 1);
            let record = trail.get();
            let Some(dy) = (if leads[i] { arrived.take(i, record, self)? } else { None }) else { continue };
            for (slot, _) in found.iter_mut().zip(&wanted).filter(|(_, (_, w))| *w == i) {
                *slot = Some(dy.to_maps()?.to_tensor()?);
            }
            if self.nodes[i].inputs.iter().any(|&j| leads[j]) {
                let is_wanted = |j| wanted.iter().any(|(_, w)| *w == j);
                let ahead = if at_once { self.ahead(i, &mut arrived, record, is_wanted)? } else { Ahead::default() };
                for (j, dx) in pass(i, dy, ahead, record)? {
                    if leads[j] {
                        accumulate(&mut arrived.grads[j], dx)?;
                    }
                }
            }
        }
        let shapes = &trail.get().shapes;
        let gradient = |((name, i), tensor): ((&LayerName, usize), Option<Tensor>)| {
            let tensor = match tensor {
                Some(tensor) => tensor,
                // Nothing flows there: the gradient is zero.
                None => Tensor::zeros(&as_maps(&shapes[i]), DType::F32, self.device())?,
            };
            Ok((name.clone(), tensor))
        };
        Ok(Gradients(wanted.into_iter().zip(found).map(gradient).collect::<Result<_>>()?))
    }

    fn check_seed(name: &LayerName, seed: &Seed, layer: &[usize]) -> Result<()> {
        // A pass that did not come as far as the layer knows no shape of it.
        let layer = if layer.is_empty() { [0; 4] } else { as_maps(layer) };
        let [n, _, h, w] = layer;
        let shape = match seed {
            Seed::Given(map) => map.shape(),
            Seed::Mixing(matrix) => [n, matrix.dims2()?.0, h, w],
        };
        if shape != layer {
            let reason = format!("a seed of shape {shape:?} does not fit layer {name} of shape {layer:?}");
            return Err(candle_core::Error::Msg(reason).into());
        }
        Ok(())
    }

    /// Whether a wanted layer can be reached backwards from a node: only those carry gradients.
    pub(super) fn leading(&self, wanted: &[usize]) -> Vec<bool> {
        let mut leads = vec![false; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            leads[i] = wanted.contains(&i) || node.inputs.iter().any(|&j| leads[j]);
        }
        leads
    }

    pub(super) fn vjp_node(
        &self,
        i: usize,
        record: &Record,
        dy: Value,
        rule: ReluRule,
    ) -> Result<Vec<(usize, Value)>> {
        let node = &self.nodes[i];
        Ok(node.inputs.iter().copied().zip(node.op.vjp(&record.point(&self.nodes, i, rule), dy)?).collect())
    }
}

/// What has come to the nodes' outputs so far, and the seeds that have not been added yet.
struct Arrived {
    grads: Vec<Option<Value>>,
    seeds: Vec<(usize, Seed)>,
}

impl Arrived {
    /// The sum at a node that no more will come to.
    fn take(&mut self, node: usize, record: &Record, graph: &Graph) -> Result<Option<Value>> {
        for (_, seed) in self.seeds.extract_if(.., |(i, _)| *i == node) {
            let map = match seed {
                Seed::Given(map) => map,
                Seed::Mixing(matrix) => {
                    let layer = record.values[node].as_ref().and_then(Value::as_map);
                    let unkept =
                        || candle_core::Error::Msg("a layer that is seeded by its output is not tapped".into());
                    layer.ok_or_else(unkept)?.mixed_channels(&matrix)?
                }
            };
            accumulate(&mut self.grads[node], graph.value(map, &record.shapes[node])?)?;
        }
        Ok(self.grads[node].take())
    }
}

fn accumulate(slot: &mut Option<Value>, dx: Value) -> candle_core::Result<()> {
    *slot = Some(match slot.take() {
        Some(sum) => sum.accumulate(&dx)?,
        None => dx,
    });
    Ok(())
}
