//! The forward pass with taps.

use super::fuse::{self, Step};
use super::layer::LayerName;
use super::network::{Graph, Node, of};
use super::point::Point;
use super::value::{Shape, Value};
use crate::error::{Error, Result};
use crate::kernels::{Map, ReluRule, in_pool};
use candle_core::Tensor;

/// Values of an input from which on a pass is asked whether it fits into memory.
const ASKED_FROM: usize = 1 << 20;

/// Refuses what needs so many bytes if fewer are free; what kernels hold at rest counts as free. `what` is what was asked for,
/// `advice` what to lower.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn refuse_beyond_memory(need: f64, what: impl FnOnce() -> String, advice: &str) -> Result<()> {
    match crate::memory::free().map(|free| free + crate::kernels::bytes_at_rest() as f64) {
        Some(free) if need > free => {
            Err(Error::TooLarge { what: what(), need_gb: need / 1e9, free_gb: free / 1e9, advice: advice.to_owned() })
        }
        _ => Ok(()),
    }
}

/// What a forward pass left behind: the tapped layers, and what a backward pass needs.
#[derive(Debug)]
pub struct Activations {
    /// One of all pictures, or one of each where the network runs picture by picture.
    pub(super) records: Vec<Record>,
    taps: Vec<(LayerName, usize)>,
    /// Of each tap, all pictures together, where there are several records.
    joined: Vec<Map>,
    pub(super) purpose: PassKind,
}

/// What one run over the nodes left behind.
#[derive(Debug)]
pub(super) struct Record {
    pub values: Vec<Option<Value>>,
    pub shapes: Vec<Shape>,
}

/// What a forward pass is for: what it keeps beside the taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PassKind {
    /// The taps alone.
    Inference,
    /// What derivatives need.
    Gradient,
    /// Every node's output.
    Relevance,
}

impl Activations {
    /// The output of a tapped layer, `[N, C, H, W]`; tokens `[N, T, C]` are maps of height T and width 1.
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
        let tap = self.taps.iter().position(|(name, _)| name == layer);
        let map = tap.and_then(|tap| match self.records.as_slice() {
            [record] => record.values[self.taps[tap].1].as_ref().and_then(Value::as_map),
            _ => self.joined.get(tap),
        });
        map.ok_or_else(|| Error::unknown("tapped layer", layer.as_str(), "tap it in the forward pass"))
    }

    /// The class logits `[N, classes]`, if they were tapped.
    ///
    /// # Errors
    /// If they were not.
    pub fn logits(&self) -> Result<Tensor> {
        Ok(self.get(&LayerName::LOGITS.into())?.flatten_from(1)?)
    }

    /// The record of a pass over one picture, or over several that the network takes at once.
    pub(super) fn single(&self) -> Result<&Record> {
        match self.records.as_slice() {
            [record] => Ok(record),
            records => Err(candle_core::Error::Msg(format!("one picture was due, not {}", records.len())).into()),
        }
    }
}

impl Record {
    /// Where node `i` is differentiated.
    pub(super) fn point<'a>(&'a self, nodes: &'a [Node], i: usize, rule: ReluRule) -> Point<'a> {
        Point { values: &self.values, shapes: &self.shapes, inputs: &nodes[i].inputs, node: i, rule }
    }
}

/// What a pass does, whatever the pictures are.
struct Schedule {
    steps: Vec<Step>,
    /// Whether a node's value outlives its last reader.
    kept: Vec<bool>,
    tapped: Vec<bool>,
    /// How many nodes read it.
    readers: Vec<usize>,
}

impl Graph {
    /// The forward pass over `x` `[N, C, H, W]` (network input space, float32) as far as the deepest tap,
    /// keeping what [`Graph::backward`] needs.
    ///
    /// # Errors
    /// If a tap does not exist or the input is too small.
    pub fn forward(&self, x: &Tensor, taps: &[LayerName]) -> Result<Activations> {
        self.run(x, taps, PassKind::Gradient, None)
    }

    /// [`Graph::forward`] for gradients at the layers `wrt` alone: what lies before all of them is not kept, and
    /// [`Graph::backward`] comes no further.
    ///
    /// # Errors
    /// As [`Graph::forward`]; if one of `wrt` does not exist.
    pub fn forward_for(&self, x: &Tensor, taps: &[LayerName], wrt: &[LayerName]) -> Result<Activations> {
        let mut after = vec![false; self.nodes.len()];
        for layer in wrt {
            after[self.node(layer)?] = true;
        }
        for (i, node) in self.nodes.iter().enumerate() {
            after[i] |= node.inputs.iter().any(|&input| after[input]);
        }
        self.run_after(x, taps, PassKind::Gradient, None, &after)
    }

    /// The forward pass that keeps nothing but the taps.
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn infer(&self, x: &Tensor, taps: &[LayerName]) -> Result<Activations> {
        self.run(x, taps, PassKind::Inference, None)
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
        let replaced = (self.node(layer)?, value);
        self.run(x, taps, PassKind::Inference, Some(replaced))
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
        self.run(x, taps, PassKind::Relevance, None)
    }

    /// The class logits `[N, classes]` of `x` `[N, C, H, W]`.
    ///
    /// # Errors
    /// As [`Graph::forward`]; if the network is no classifier.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.infer(x, &[LayerName::LOGITS.into()])?.logits()
    }

    /// The named layers whose outputs go into that of `layer`, from the input to itself.
    ///
    /// # Errors
    /// If it does not exist.
    pub fn layers_before(&self, layer: &LayerName) -> Result<Vec<LayerName>> {
        let wanted = self.node(layer)?;
        let needed = self.ancestors(&(0..self.nodes.len()).map(|i| i == wanted).collect::<Vec<_>>(), None);
        Ok(self.nodes.iter().zip(needed).filter(|(_, needed)| *needed).filter_map(|(n, _)| n.name.clone()).collect())
    }

    fn run(
        &self,
        x: &Tensor,
        taps: &[LayerName],
        purpose: PassKind,
        replaced: Option<(usize, &Tensor)>,
    ) -> Result<Activations> {
        self.run_after(x, taps, purpose, replaced, &vec![true; self.nodes.len()])
    }

    /// [`Graph::run`] that keeps what derivatives need only of nodes whose inputs are `differentiated`.
    fn run_after(
        &self,
        x: &Tensor,
        taps: &[LayerName],
        purpose: PassKind,
        replaced: Option<(usize, &Tensor)>,
        differentiated: &[bool],
    ) -> Result<Activations> {
        let named = |name: &LayerName| Ok((name.clone(), self.node(name)?));
        let taps = taps.iter().map(named).collect::<Result<Vec<(LayerName, usize)>>>()?;
        let schedule = self.schedule(&taps, purpose, replaced.map(|(i, _)| i), differentiated);
        let pictures = replaced.map_or(x, |(_, value)| value).dims4()?.0;
        let together = pictures <= 1 || self.nodes.iter().all(|node| node.any_batch);
        self.refuse_what_does_not_fit(x, if together { pictures } else { 1 }, &schedule)?;
        in_pool(|| {
            if together {
                let records = vec![self.record(x, &schedule, replaced)?];
                return Ok(Activations { records, taps, joined: vec![], purpose });
            }
            let mut records = vec![];
            for n in 0..pictures {
                let x = if x.dim(0)? == pictures { x.narrow(0, n, 1)? } else { x.clone() };
                let value = replaced.map(|(_, value)| value.narrow(0, n, 1)).transpose()?;
                let replaced = replaced.map(|(i, _)| i).zip(value.as_ref());
                records.push(self.record(&x, &schedule, replaced)?);
            }
            let joined = taps.iter().map(|(_, i)| self.joined(&records, *i)).collect::<Result<_>>()?;
            Ok(Activations { records, taps, joined, purpose })
        })
    }

    /// What a pass holds at once beyond the memory that is free, as an error: an allocation that fails ends the program.
    /// Small inputs are not asked about. `n` pictures run together.
    fn refuse_what_does_not_fit(&self, x: &Tensor, n: usize, schedule: &Schedule) -> Result<()> {
        if x.elem_count() < ASKED_FROM || !self.device().is_cpu() {
            return Ok(());
        }
        let (_, _, h, w) = x.dims4()?;
        let shapes = self.shapes(h, w)?;
        let bytes = |i: usize| (n * size_of::<f32>()) as f64 * shapes[i].iter().map(|&d| d as f64).product::<f64>();
        let mut reads_left = schedule.readers.clone();
        let (mut held, mut most) = (0f64, 0f64);
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| schedule.steps[*i] != Step::Idle) {
            let vanishes = |i: usize| schedule.steps[i] == Step::Vanishes;
            for &input in &node.inputs {
                reads_left[input] = reads_left[input].saturating_sub(1);
                if reads_left[input] == 0 && !schedule.kept[input] && !vanishes(input) {
                    held -= bytes(input);
                }
            }
            if !vanishes(i) {
                held += bytes(i);
                most = most.max(held);
            }
        }
        // The picture is there in the kernels' order, too, and its gradient will be.
        let most = most + 2.0 * bytes(0);
        refuse_beyond_memory(most, || format!("{n} at once of {w}×{h} pixels"), "take a smaller size")
    }

    /// The output of node `i` of all records together.
    fn joined(&self, records: &[Record], i: usize) -> Result<Map> {
        let maps = records.iter().filter_map(|record| record.values[i].as_ref()?.as_map());
        let tensors = maps.map(Map::to_tensor).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(self.import(&Tensor::cat(&tensors, 0)?)?)
    }

    fn schedule(
        &self,
        taps: &[(LayerName, usize)],
        purpose: PassKind,
        given: Option<usize>,
        differentiated: &[bool],
    ) -> Schedule {
        let count = self.nodes.len();
        let mut tapped = vec![false; count];
        taps.iter().for_each(|(_, i)| tapped[*i] = true);
        let mut runs = self.ancestors(&tapped, given);
        let mut kept = if purpose == PassKind::Relevance { vec![true; count] } else { tapped.clone() };
        let mut readers = vec![0usize; count];
        if let Some(given) = given {
            (runs[given], kept[given]) = (false, true);
        }
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| runs[*i]) {
            node.inputs.iter().for_each(|&input| readers[input] += 1);
            if purpose >= PassKind::Gradient && node.inputs.iter().any(|&input| differentiated[input]) {
                let saves = node.op.saves();
                kept[i] |= saves.output();
                node.inputs.iter().for_each(|&input| kept[input] |= saves.inputs());
            }
        }
        Schedule { steps: fuse::steps(&self.nodes, &runs, &kept, &readers), kept, tapped, readers }
    }

    fn record(&self, x: &Tensor, schedule: &Schedule, replaced: Option<(usize, &Tensor)>) -> Result<Record> {
        let count = self.nodes.len();
        let mut values: Vec<Option<Value>> = vec![None; count];
        let mut shapes: Vec<Shape> = vec![vec![]; count];
        if let Some((i, tensor)) = replaced {
            shapes[i] = self.shape_of(i, x, tensor)?;
            values[i] = Some(self.value(self.import(tensor)?, &shapes[i])?);
        }
        let mut reads_left = schedule.readers.clone();
        for (i, node) in self.nodes.iter().enumerate() {
            // The last reader of a value that nobody keeps takes it, so that it can work in place.
            let mut take = |input: usize| {
                reads_left[input] -= 1;
                let last = reads_left[input] == 0 && !schedule.kept[input];
                let value = if last { values[input].take() } else { values[input].clone() };
                value.ok_or_else(|| candle_core::Error::Msg(format!("node {input} has not run")))
            };
            let value = match schedule.steps[i] {
                Step::Idle => continue,
                Step::Vanishes => {
                    shapes[i] = node.op.output_shape(&of(&shapes, &node.inputs))?;
                    continue;
                }
                Step::Fused(fused) => fused.run(&self.nodes, take)?,
                Step::Alone if i == 0 => {
                    let picture = Value::of_map(self.import(x)?, self.kernels);
                    node.op.output_shape(&[&picture.shape()])?;
                    picture
                }
                Step::Alone => {
                    let inputs = node.inputs.iter().map(|&input| take(input)).collect::<candle_core::Result<_>>()?;
                    let value = node.op.forward(inputs)?;
                    // A constant does not know who reads it.
                    if node.inputs.is_empty() { value.for_kernels(self.kernels) } else { value }
                }
            };
            let value = if schedule.tapped[i] { value.settled()? } else { value };
            shapes[i] = value.shape();
            values[i] = Some(value);
        }
        Ok(Record { values, shapes })
    }

    /// The shape of a layer whose value is handed in as maps.
    fn shape_of(&self, i: usize, x: &Tensor, maps: &Tensor) -> Result<Shape> {
        let (n, _, _, _) = maps.dims4()?;
        let (_, _, h, w) = x.dims4()?;
        let mut shape = self.shapes(h, w)?.swap_remove(i);
        if shape.len() == 4 {
            return Ok(maps.dims().to_vec());
        }
        shape.splice(..1, [n]);
        Ok(shape)
    }

    /// The nodes that the tapped ones depend on, and those themselves, except what only the `given` one depends on.
    fn ancestors(&self, tapped: &[bool], given: Option<usize>) -> Vec<bool> {
        let mut needed = tapped.to_vec();
        for i in (0..self.nodes.len()).rev() {
            if needed[i] && Some(i) != given {
                self.nodes[i].inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        needed
    }
}
