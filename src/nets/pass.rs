//! The forward pass with taps, and the backward pass from seeds.

use super::network::{LayerName, Network, Op};
use crate::error::{Error, Result};
use crate::kernels::{Map, ReluRule, add, concat, concat_vjp};
use candle_core::Tensor;

/// What a forward pass left behind: the tapped layers, and what a backward pass needs.
#[derive(Debug)]
pub struct Activations {
    maps: Vec<Option<Map>>,
    shapes: Vec<[usize; 4]>,
    taps: Vec<(LayerName, usize)>,
    for_backward: bool,
}

impl Activations {
    /// The output of a tapped layer, `[N, C, H, W]`.
    ///
    /// # Errors
    /// If the layer was not tapped.
    pub fn get(&self, layer: &LayerName) -> Result<Tensor> {
        let map = self.taps.iter().find(|(name, _)| name == layer).and_then(|(_, i)| self.maps[*i].as_ref());
        match map {
            Some(map) => Ok(map.to_tensor()?),
            None => Err(Error::unknown("tapped layer", layer.as_str(), "tap it in the forward pass")),
        }
    }

    /// The class logits `[N, classes]`, if they were tapped.
    ///
    /// # Errors
    /// If they were not.
    pub fn logits(&self) -> Result<Tensor> {
        Ok(self.get(&LayerName::LOGITS.into())?.flatten_from(1)?)
    }
}

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
    /// The forward pass over `x` `[N, 3, H, W]` (network input space, float32) as far as the deepest tap,
    /// keeping what [`Network::backward`] needs.
    ///
    /// # Errors
    /// If a tap does not exist or the input is too small.
    pub fn forward(&self, x: &Tensor, taps: &[LayerName]) -> Result<Activations> {
        self.run(x, taps, true)
    }

    /// The forward pass that keeps nothing but the taps.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn infer(&self, x: &Tensor, taps: &[LayerName]) -> Result<Activations> {
        self.run(x, taps, false)
    }

    /// The class logits `[N, classes]` of `x` `[N, 3, H, W]`.
    ///
    /// # Errors
    /// As [`Network::forward`]; if the network is no classifier.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.infer(x, &[LayerName::LOGITS.into()])?.logits()
    }

    fn run(&self, x: &Tensor, taps: &[LayerName], for_backward: bool) -> Result<Activations> {
        let taps = taps
            .iter()
            .map(|name| Ok((name.clone(), self.node(name)?)))
            .collect::<Result<Vec<(LayerName, usize)>>>()?;
        let needed = self.ancestors(taps.iter().map(|(_, i)| *i));
        let mut kept: Vec<bool> = (0..self.nodes.len()).map(|i| taps.iter().any(|(_, tap)| *tap == i)).collect();
        let mut reads_left = vec![0usize; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            for &input in &node.inputs {
                reads_left[input] += 1;
            }
            if for_backward && matches!(node.op, Op::Activation(_)) {
                kept[i] = true;
            }
            if for_backward && matches!(node.op, Op::MaxPool(_)) {
                kept[node.inputs[0]] = true;
            }
        }
        let mut maps: Vec<Option<Map>> = vec![None; self.nodes.len()];
        let mut shapes = vec![[0; 4]; self.nodes.len()];
        for i in (0..self.nodes.len()).filter(|&i| needed[i]) {
            if self.runs_in_its_reader(i) {
                // Its rectifier runs it; only the shape is wanted here.
                let [n, c, h, w] = shapes[self.nodes[i].inputs[0]];
                if let Op::Conv(conv) = &self.nodes[i].op {
                    let [c, h, w] = conv.output_shape([c, h, w])?;
                    shapes[i] = [n, c, h, w];
                }
                continue;
            }
            let map = self.run_node(i, x, &mut maps, &mut reads_left, &kept)?;
            shapes[i] = map.shape();
            maps[i] = Some(map);
        }
        Ok(Activations { maps, shapes, taps, for_backward })
    }

    fn runs_in_its_reader(&self, i: usize) -> bool {
        // A fused convolution stands right where its only reader can find it.
        self.nodes[i + 1..].iter().any(|n| n.fused == Some(i))
    }

    fn run_node(
        &self,
        i: usize,
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
        let map = match (&node.op, node.fused) {
            (Op::Input, _) => self.import(x)?,
            (Op::Activation(activation), Some(conv)) => {
                let input = take(self.nodes[conv].inputs[0])?;
                match &self.nodes[conv].op {
                    Op::Conv(conv) => conv.forward(&input, Some(*activation))?,
                    _ => activation.forward(input)?,
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
        if !activations.for_backward {
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
                for (j, dx) in self.vjp_node(i, activations, dy, rule)? {
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

    fn vjp_node(&self, i: usize, activations: &Activations, dy: Map, rule: ReluRule) -> Result<Vec<(usize, Map)>> {
        let node = &self.nodes[i];
        let saved = |j: usize| {
            activations.maps[j]
                .as_ref()
                .ok_or_else(|| candle_core::Error::Msg(format!("layer {j} was not kept for the backward pass")))
        };
        let Some(&input) = node.inputs.first() else { return Ok(vec![]) };
        let [_, _, h, w] = activations.shapes[input];
        Ok(match &node.op {
            Op::Input => vec![],
            Op::Conv(conv) => vec![(input, conv.vjp((h, w), &dy)?)],
            Op::Activation(activation) => vec![(input, activation.vjp(saved(i)?, dy, rule)?)],
            Op::MaxPool(pool) => vec![(input, pool.vjp(saved(input)?, &dy)?)],
            Op::GlobalAvgPool(pool) => vec![(input, pool.vjp((h, w), &dy)?)],
            Op::Add => vec![(input, dy.clone()), (node.inputs[1], dy)],
            Op::Concat => {
                let widths: Vec<usize> = node.inputs.iter().map(|&j| activations.shapes[j][1]).collect();
                node.inputs.iter().copied().zip(concat_vjp(&dy, &widths)?).collect()
            }
        })
    }

    fn ancestors(&self, of: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for i in of {
            needed[i] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if needed[i] {
                for &input in &self.nodes[i].inputs {
                    needed[input] = true;
                }
            }
        }
        needed
    }
}

fn accumulate(slot: &mut Option<Map>, dx: Map) -> candle_core::Result<()> {
    *slot = Some(match slot.take() {
        Some(sum) => sum.accumulate(&dx)?,
        None => dx,
    });
    Ok(())
}
