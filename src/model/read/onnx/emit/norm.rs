//! Normalisation.

use super::super::Refusal;
use super::super::constant::batch_norm;
use super::super::ir::Node;
use super::Emitter;
use crate::graph::{NodeId, ops};
use crate::kernels::{Binary, LocalResponseNorm, Norm, Side};
use candle_core::Tensor;

impl Emitter<'_> {
    /// In evaluation mode a scale and a shift of each channel.
    pub(super) fn batch_norm(&mut self, node: &Node, epsilon: f32) -> Result<NodeId, Refusal> {
        let row = |place: usize| -> Result<Vec<f32>, Refusal> {
            self.due(node, place)?.flatten_all().and_then(|t| t.to_vec1()).map_err(Refusal::new)
        };
        let (gamma, beta, mean, variance) = (row(1)?, row(2)?, row(3)?, row(4)?);
        let [scale, shift] = batch_norm(&gamma, &beta, &mean, &variance, epsilon);
        let vector = |v: Vec<f32>| Tensor::new(v.as_slice(), self.device).map_err(Refusal::new);
        let affine = ops::Affine::new(Some(vector(scale)?), Some(vector(shift)?), 1).map_err(Refusal::new)?;
        self.put_on_first(affine, node)
    }

    pub(super) fn affine(&mut self, node: &Node, axis: usize) -> Result<NodeId, Refusal> {
        let vector = |weight: Option<Tensor>| weight.map(|w| w.flatten_all().map_err(Refusal::new)).transpose();
        let (scale, shift) = (vector(self.weight(node, 1)?)?, vector(self.weight(node, 2)?)?);
        let affine = ops::Affine::new(scale, shift, axis).map_err(Refusal::new)?;
        self.put_on_first(affine, node)
    }

    pub(super) fn instance_norm(&mut self, node: &Node, epsilon: f32) -> Result<NodeId, Refusal> {
        let (scale, bias) = (self.weight(node, 1)?, self.weight(node, 2)?);
        let norm = ops::Normalisation::instance(scale.as_ref(), bias.as_ref(), f64::from(epsilon));
        self.put_on_first(norm.map_err(Refusal::new)?, node)
    }

    pub(super) fn group_norm(&mut self, node: &Node, groups: usize, epsilon: f32) -> Result<NodeId, Refusal> {
        let (scale, bias) = (self.weight(node, 1)?, self.weight(node, 2)?);
        let norm = ops::Normalisation::group(groups, scale.as_ref(), bias.as_ref(), f64::from(epsilon));
        self.put_on_first(norm.map_err(Refusal::new)?, node)
    }

    /// Over the last axis, the channels of maps, or whole maps; in the last case scale and bias may differ from place to
    /// place and are arithmetic of their own.
    pub(super) fn layer_norm(&mut self, node: &Node, axes: &[usize], epsilon: f32) -> Result<NodeId, Refusal> {
        let (scale, bias, epsilon) = (self.weight(node, 1)?, self.weight(node, 2)?, f64::from(epsilon));
        let rank = self.input_shape(node).len();
        let flat = |weight: Option<Tensor>| weight.map(|w| w.flatten_all().map_err(Refusal::new)).transpose();
        match (axes, rank) {
            ([axis], _) if *axis + 1 == rank || (*axis, rank) == (1, 4) => {
                let (scale, bias) = (flat(scale)?, flat(bias)?);
                let norm = ops::Normalisation::layer(axis + 1 != rank, scale.as_ref(), bias.as_ref(), epsilon);
                self.put_on_first(norm.map_err(Refusal::new)?, node)
            }
            ([1, 2, 3], 4) => {
                let norm = ops::Normalisation::group(1, None, None, epsilon).map_err(Refusal::new)?;
                let mut made = self.put_on_first(norm, node)?;
                for (function, weight) in [(Binary::Mul, scale), (Binary::Add, bias)] {
                    if let Some(weight) = weight {
                        let op = ops::Binary::with_constant(function, weight, Side::Right);
                        made = self.graph.add(op, &[made]).map_err(Refusal::new)?;
                    }
                }
                Ok(made)
            }
            _ => Err(Refusal(format!("a layer norm over axes {axes:?} of {rank} is not known"))),
        }
    }

    pub(super) fn rms_norm(&mut self, node: &Node, axes: &[usize], epsilon: f32) -> Result<NodeId, Refusal> {
        let rank = self.input_shape(node).len();
        if axes != [rank - 1] {
            return Err(Refusal(format!("a norm by the root mean square over axes {axes:?} of {rank} is not known")));
        }
        let norm = ops::RmsNorm::new(self.weight(node, 1)?, f64::from(epsilon));
        self.put_on_first(norm, node)
    }

    pub(super) fn local_response_norm(
        &mut self,
        node: &Node,
        size: usize,
        [alpha, beta, bias]: [f32; 3],
    ) -> Result<NodeId, Refusal> {
        self.put_on_first(ops::LocalResponseNorm::new(LocalResponseNorm { size, alpha, beta, bias }), node)
    }

    pub(super) fn lp_norm(&mut self, node: &Node, axis: usize, p: i64) -> Result<NodeId, Refusal> {
        let norm = if p == 1 { Norm::L1 } else { Norm::L2 };
        // What is 0 everywhere stays 0.
        self.put_on_first(ops::LpNorm::new(norm, axis, 1e-12), node)
    }
}
