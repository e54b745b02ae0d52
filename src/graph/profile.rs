//! Where the time of a pass goes, layer by layer.

use super::layer::{LayerName, as_maps};
use super::network::{Graph, of};
use crate::error::Result;
use crate::kernels::{ReluRule, in_pool};
use candle_core::Tensor;
use serde::Serialize;
use std::time::Instant;

/// What a layer takes on its own, its inputs at hand.
#[derive(Debug, Clone, Serialize)]
pub struct LayerTiming {
    /// The named layer that it is or leads to.
    pub layer: String,
    /// Its kind in words.
    pub kind: &'static str,
    /// Channels, height and width of its output.
    pub shape: [usize; 3],
    /// Multiply–accumulates of its forward pass, as the definition counts them; its gradient takes as many.
    pub macs: usize,
    /// Median of the forward passes.
    pub forward_ms: f64,
    /// Median of the gradients.
    pub gradient_ms: f64,
}

/// What a named layer is made of, with what leads to it from the named layers before.
#[derive(Debug, Clone, Serialize)]
pub struct LayerTotals {
    /// The layer; empty for what comes after the last named one.
    pub layer: String,
    /// Its kind in words.
    pub kind: &'static str,
    /// Channels, height and width of its output.
    pub shape: [usize; 3],
    /// Numbers it has learned.
    pub parameters: usize,
    /// Multiply–accumulates of a forward pass.
    pub macs: usize,
}

impl Graph {
    /// Parameters and work of the named layers for a picture of `height` × `width` pixels, from the input to the output.
    ///
    /// # Errors
    /// If the network does not take pictures of that size.
    pub fn totals(&self, height: usize, width: usize) -> Result<Vec<LayerTotals>> {
        let shapes = self.shapes(height, width)?;
        let (mut totals, mut parameters, mut macs) = (vec![], 0, 0);
        for (i, node) in self.nodes.iter().enumerate() {
            parameters += node.op.parameters();
            macs += node.op.macs(&of(&shapes, &node.inputs));
            let last = i + 1 == self.nodes.len() && parameters + macs > 0;
            if node.name.is_some() || last {
                let [_, c, h, w] = as_maps(&shapes[i]);
                let layer = node.name.as_ref().map_or_else(String::new, ToString::to_string);
                totals.push(LayerTotals { layer, kind: node.op.kind().words, shape: [c, h, w], parameters, macs });
                (parameters, macs) = (0, 0);
            }
        }
        Ok(totals)
    }

    /// Times every layer's forward pass and gradient for one picture `x` `[1, C, H, W]`, or for several that the network
    /// takes at once, `runs` times each.
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn time_layers(&self, x: &Tensor, runs: usize) -> Result<Vec<LayerTiming>> {
        let last: LayerName = self.nodes.iter().rev().find_map(|n| n.name.clone()).unwrap_or(LayerName::INPUT.into());
        let activations = self.keep_everything(x, &[last])?;
        let record = activations.single()?;
        let mut timings = vec![];
        // What comes after the last named layer has not run.
        for (i, node) in self.nodes.iter().enumerate().skip(1).filter(|(i, _)| record.values[*i].is_some()) {
            let at = record.point(&self.nodes, i, ReluRule::Standard);
            let inputs =
                || (0..node.inputs.len()).map(|k| at.input(k).cloned()).collect::<candle_core::Result<Vec<_>>>();
            let [_, c, h, w] = as_maps(at.output_shape());
            let y = at.output()?;
            timings.push(LayerTiming {
                layer: self.owner(i).map_or_else(String::new, ToString::to_string),
                kind: node.op.kind().words,
                shape: [c, h, w],
                macs: node.op.macs(&of(&record.shapes, &node.inputs)),
                forward_ms: median(runs, || {
                    let _: () = drop(node.op.forward(inputs()?)?);
                    Ok(())
                })?,
                gradient_ms: median(runs, || Ok(node.op.vjp(&at, y.clone()).map(drop)?))?,
            });
        }
        Ok(timings)
    }
}

fn median(runs: usize, mut work: impl FnMut() -> Result<()> + Send) -> Result<f64> {
    in_pool(|| {
        let mut times = vec![];
        for _ in 0..=runs {
            let start = Instant::now();
            work()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        // The first packs the weights.
        times.remove(0);
        times.sort_by(f64::total_cmp);
        Ok(times.get(times.len() / 2).copied().unwrap_or_default())
    })
}
