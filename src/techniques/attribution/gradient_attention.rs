//! Attention weighted by its gradient: which patches a transformer attends to for the class.

use super::attention::Attention;
use super::method::{Explain, Method};
use crate::error::Result;
use candle_core::Tensor;

/// R ← R + Ā·R from R = I on, layer by layer, Ā the mean over heads of relu(∂z_c/∂A ⊙ A); the row of the class token, or
/// the mean of the rows where the patches' mean is classified, at the patches. The authors' code for vision transformers
/// (Transformer-MM-Explainability) is followed.
pub(super) static METHOD: Method = Method {
    id: "gradient-attention",
    about: "which patches a transformer attends to for the class: attention weighted by its gradient, layer by layer",
    definition: "R ← R + Ā·R from R = I on, Ā the mean over heads of relu(∂z_c/∂A ⊙ A); the class token's row of R",
    reference: "Chefer, Gur & Wolf 2021, arXiv:2103.15679",
    layer: false,
    params: &[],
    explain: Explain::Attention(|attention, _| gradient_attention(attention)),
};

fn gradient_attention(attention: &Attention) -> Result<Tensor> {
    let mut relevance = attention.identity()?;
    for layer in &attention.layers {
        let heads = (&layer.gradients * &layer.weights)?.relu()?.mean(0)?;
        relevance = (&relevance + heads.matmul(&relevance)?)?;
    }
    attention.map(&relevance)
}
