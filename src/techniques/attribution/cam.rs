//! What the class activation maps share: a layer's channels with their gradients, and the two ways to sum them.

use crate::error::Result;
use candle_core::Tensor;

/// A layer's activations A and gradients G = ∂z_c/∂A in main memory, channel after channel.
pub(super) struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub activations: Vec<f32>,
    gradients: Vec<f32>,
}

impl Planes {
    /// From A and G, both `[1, C, H, W]`.
    pub fn new(activations: &Tensor, gradients: &Tensor) -> Result<Self> {
        let (_, channels, height, width) = activations.dims4()?;
        let values = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        Ok(Self { channels, height, width, activations: values(activations)?, gradients: values(gradients)? })
    }

    /// relu(Σ_k w_k·A_k) `[H, W]`, with the weight of each channel from its A and G.
    pub fn weighted(&self, weight: impl Fn(&[f32], &[f32]) -> f32) -> Vec<f32> {
        weighted(&self.activations, self.height * self.width, self.pairs().map(|(a, g)| weight(a, g)))
    }

    /// relu(Σ_k term(A_k, G_k)) `[H, W]`, place by place.
    pub fn placed(&self, term: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let mut map = vec![0.0; self.height * self.width];
        for (a, g) in self.pairs() {
            map.iter_mut().zip(a.iter().zip(g)).for_each(|(sum, (a, g))| *sum += term(*a, *g));
        }
        rectified(map)
    }

    fn pairs(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        let area = (self.height * self.width).max(1);
        self.activations.chunks_exact(area).zip(self.gradients.chunks_exact(area))
    }
}

/// relu(Σ_k w_k·A_k) over `area` places, of channels A in main memory with their weights.
pub(super) fn weighted(activations: &[f32], area: usize, weights: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut map = vec![0.0; area];
    for (a, weight) in activations.chunks_exact(area.max(1)).zip(weights).filter(|(_, weight)| *weight != 0.0) {
        map.iter_mut().zip(a).for_each(|(sum, a)| *sum += weight * a);
    }
    rectified(map)
}

fn rectified(map: Vec<f32>) -> Vec<f32> {
    map.into_iter().map(|v| v.max(0.0)).collect()
}

/// Σ values.
pub(super) fn sum(values: impl Iterator<Item = f32>) -> f32 {
    values.map(f64::from).sum::<f64>() as f32
}
