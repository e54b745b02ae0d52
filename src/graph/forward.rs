//! The forward pass with taps.

use super::graph::{Graph, LayerName, Op};
use crate::error::{Error, Result};
use crate::kernels::{Map, add, concat, in_pool};
use candle_core::Tensor;

/// What a forward pass left behind: the tapped layers, and what a backward pass needs.
#[derive(Debug)]
pub struct Activations {
    pub(super) maps: Vec<Option<Map>>,
    pub(super) shapes: Vec<[usize; 4]>,
    taps: Vec<(LayerName, usize)>,
    pub(super) keep: Keep,
}

/// What a forward pass keeps beside the taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keep {
    /// Nothing.
    Taps,
    /// What the derivatives of rectifiers and pooling need.
    Gates,
    /// Every layer's output, before and after its rectifier.
    Everything,
}

impl Activations {
    /// The output of a tapped layer, `[N, C, H, W]`.
    ///
    /// # Errors
    /// If the layer was not tapped.
    pub fn get(&self, layer: &LayerName) -> Result<Tensor> {
        Ok(self.map(layer)?.to_tensor()?)
    }

    /// The output of a tapped layer as the kernels have it.
    ///
    /// # Errors
    /// If the layer was not tapped.
    pub fn map(&self, layer: &LayerName) -> Result<&Map> {
        let map = self.taps.iter().find(|(name, _)| name == layer).and_then(|(_, i)| self.maps[*i].as_ref());
        map.ok_or_else(|| Error::unknown("tapped layer", layer.as_str(), "tap it in the forward pass"))
    }

    /// What a layer's derivative needs of the forward pass.
    pub(super) fn saved(&self, node: usize) -> candle_core::Result<&Map> {
        self.maps[node]
            .as_ref()
            .ok_or_else(|| candle_core::Error::Msg(format!("layer {node} was not kept for the backward pass")))
    }

    /// The class logits `[N, classes]`, if they were tapped.
    ///
    /// # Errors
    /// If they were not.
    pub fn logits(&self) -> Result<Tensor> {
        Ok(self.get(&LayerName::LOGITS.into())?.flatten_from(1)?)
    }
}

impl Graph {
    /// The forward pass over `x` `[N, C, H, W]` (network input space, float32) as far as the deepest tap,
    /// keeping what [`Graph::backward`] needs.
    ///
    /// # Errors
    /// If a tap does not exist or the input is too small.
    pub fn forward(&self, x: &Tensor, taps: &[LayerName]) -> Result<Activations> {
        self.run(x, taps, Keep::Gates, None)
    }

    /// The forward pass that keeps nothing but the taps.
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn infer(&self, x: &Tensor, taps: &[LayerName]) -> Result<Activations> {
        self.run(x, taps, Keep::Taps, None)
    }

    /// [`Graph::infer`] with the output of `layer` replaced by `value` `[N, C, H, W]`. Only what depends on it
    /// runs, and whatever else that needs, from `x`, which then has to have N pictures too.
    ///
    /// # Errors
    /// As [`Graph::forward`]; if `value` does not fit the layers after it.
    pub fn infer_from(
        &self,
        x: &Tensor,
        layer: &LayerName,
        value: &Tensor,
        taps: &[LayerName],
    ) -> Result<Activations> {
        let replaced = (self.node(layer)?, self.import(value)?);
        self.run(x, taps, Keep::Taps, Some(replaced))
    }

    /// The forward pass to the logits that keeps every layer's output, for [`Graph::deeplift`],
    /// [`Graph::lrp`] and [`Graph::bias_terms`].
    ///
    /// # Errors
    /// As [`Graph::forward`]; if the network is no classifier.
    pub fn trace(&self, x: &Tensor) -> Result<Activations> {
        self.keep_everything(x, &[LayerName::LOGITS.into()])
    }

    pub(super) fn keep_everything(&self, x: &Tensor, taps: &[LayerName]) -> Result<Activations> {
        self.run(x, taps, Keep::Everything, None)
    }

    /// The class logits `[N, classes]` of `x` `[N, C, H, W]`.
    ///
    /// # Errors
    /// As [`Graph::forward`]; if the network is no classifier.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.infer(x, &[LayerName::LOGITS.into()])?.logits()
    }

    fn run(&self, x: &Tensor, taps: &[LayerName], keep: Keep, replaced: Option<(usize, Map)>) -> Result<Activations> {
        in_pool(|| self.run_here(x, taps, keep, replaced))
    }

    fn run_here(
        &self,
        x: &Tensor,
        taps: &[LayerName],
        keep: Keep,
        replaced: Option<(usize, Map)>,
    ) -> Result<Activations> {
        let taps = taps
            .iter()
            .map(|name| Ok((name.clone(), self.node(name)?)))
            .collect::<Result<Vec<(LayerName, usize)>>>()?;
        let given = replaced.as_ref().map(|(i, _)| *i);
        let needed = self.ancestors(taps.iter().map(|(_, i)| *i), given);
        let everything = keep == Keep::Everything;
        let tapped = |i| taps.iter().any(|(_, tap)| *tap == i);
        let mut kept: Vec<bool> = (0..self.nodes.len()).map(|i| everything || tapped(i)).collect();
        let mut reads_left = vec![0usize; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| needed[*i] && Some(*i) != given) {
            for &input in &node.inputs {
                reads_left[input] += 1;
            }
            if keep >= Keep::Gates && matches!(node.op, Op::Activation(_)) {
                kept[i] = true;
            }
            if keep >= Keep::Gates && matches!(node.op, Op::MaxPool(_)) {
                kept[node.inputs[0]] = true;
            }
        }
        let mut maps: Vec<Option<Map>> = vec![None; self.nodes.len()];
        let mut shapes = vec![[0; 4]; self.nodes.len()];
        if let Some((i, value)) = replaced {
            shapes[i] = value.shape();
            maps[i] = Some(value);
        }
        for i in (0..self.nodes.len()).filter(|&i| needed[i] && Some(i) != given) {
            if !everything && self.runs_in_its_reader(i) {
                // Its rectifier runs it; only the shape is wanted here.
                let [n, c, h, w] = shapes[self.nodes[i].inputs[0]];
                if let Op::Conv(conv) = &self.nodes[i].op {
                    let [c, h, w] = conv.output_shape([c, h, w])?;
                    shapes[i] = [n, c, h, w];
                }
                continue;
            }
            let fused = self.nodes[i].fused.filter(|_| !everything);
            let map = self.run_node((i, fused), x, &mut maps, &mut reads_left, &kept)?;
            shapes[i] = map.shape();
            maps[i] = Some(map);
        }
        Ok(Activations { maps, shapes, taps, keep })
    }

    fn runs_in_its_reader(&self, i: usize) -> bool {
        // A fused convolution stands right where its only reader can find it.
        self.nodes[i + 1..].iter().any(|n| n.fused == Some(i))
    }

    fn run_node(
        &self,
        (i, fused): (usize, Option<usize>),
        x: &Tensor,
        maps: &mut [Option<Map>],
        reads_left: &mut [usize],
        kept: &[bool],
    ) -> Result<Map> {
        let node = &self.nodes[i];
        // The last reader of a map that nobody keeps takes it, so that it can work in place.
        let mut take = |input: usize| -> Result<Map> {
            reads_left[input] -= 1;
            let map = if reads_left[input] == 0 && !kept[input] { maps[input].take() } else { maps[input].clone() };
            map.ok_or_else(|| candle_core::Error::Msg(format!("layer {input} has not run")).into())
        };
        let map = match (&node.op, fused) {
            (Op::Input, _) => self.import(x)?,
            (op, Some(fused)) => {
                let Op::Conv(conv) = &self.nodes[fused].op else {
                    return Err(candle_core::Error::Msg(format!("layer {fused} is no convolution")).into());
                };
                let input = take(self.nodes[fused].inputs[0])?;
                match op {
                    Op::Activation(activation) => conv.forward(&input, Some(*activation))?,
                    _ => {
                        let other = node.inputs.iter().copied().find(|j| *j != fused);
                        let other = other.map(&mut take).transpose()?;
                        conv.forward_onto(&input, other.as_ref(), None)?
                    }
                }
            }
            (Op::Activation(activation), None) => activation.forward(take(node.inputs[0])?)?,
            (Op::Conv(conv), _) => conv.forward(&take(node.inputs[0])?, None)?,
            (Op::MaxPool(pool), _) => pool.forward(&take(node.inputs[0])?)?,
            (Op::GlobalAvgPool(pool), _) => pool.forward(&take(node.inputs[0])?)?,
            (Op::Add, _) => add(take(node.inputs[0])?, &take(node.inputs[1])?)?,
            (Op::Concat, _) => {
                let inputs = node.inputs.iter().map(|&i| take(i)).collect::<Result<Vec<_>>>()?;
                concat(&inputs.iter().collect::<Vec<_>>())?
            }
        };
        Ok(map)
    }

    fn ancestors(&self, of: impl Iterator<Item = usize>, given: Option<usize>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for i in of {
            needed[i] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if needed[i] && Some(i) != given {
                for &input in &self.nodes[i].inputs {
                    needed[input] = true;
                }
            }
        }
        needed
    }
}
