//! The attention of a transformer over the patches of a photo.

use super::subject::Subject;
use crate::error::{Error, Result};
use crate::graph::{Activations, LayerName};
use crate::kernels::ReluRule;
use candle_core::{DType, Tensor};

/// Attention weights of every layer over one photo, with what the class score makes of them.
pub(super) struct Attention<'a> {
    subject: &'a Subject,
    /// The last layer of tokens on the way to the score.
    last: LayerName,
    /// From the input to the output.
    pub layers: Vec<Heads>,
    /// Share of each token in what the classifier reads, `[1, T]`: the class token alone, or all patches alike.
    read: Tensor,
}

/// One layer.
pub(super) struct Heads {
    /// Weights `[heads, T, T]`: each row is a token and what it takes from every token.
    pub weights: Tensor,
    /// ∂z_c/∂ of the weights, `[heads, T, T]`.
    pub gradients: Tensor,
}

impl<'a> Attention<'a> {
    /// Of the photo and class of `subject`, whose model has [`crate::model::Roles::attention`].
    ///
    /// # Errors
    /// If the model has none, or not over its patches.
    pub fn of(subject: &'a Subject) -> Result<Self> {
        let info = &subject.model().info;
        let names = &info.roles.attention;
        let graph = subject.graph();
        // What leaves the last block says which tokens are read after it.
        let leading = graph.layers_before(&LayerName::LOGITS.into())?;
        let last = info.layers.iter().rfind(|layer| layer.grid.is_some() && leading.contains(&layer.name));
        let last =
            last.ok_or_else(|| Error::bad_value("model", &info.id, "it has no tokens for patches"))?.name.clone();
        let mut wanted = names.clone();
        wanted.push(last.clone());
        let mut taps = wanted.clone();
        taps.push(LayerName::LOGITS.into());
        let activations = graph.forward(subject.input(), &taps)?;
        let gradients = graph.backward(&activations, &subject.logit_seed()?, &wanted, ReluRule::Standard)?;
        let of = |name: &LayerName| -> Result<Heads> {
            Ok(Heads { weights: heads(&activations, name)?, gradients: by_head(gradients.get(name)?)? })
        };
        let layers = names.iter().map(of).collect::<Result<_>>()?;
        let read = read(gradients.get(&last)?)?;
        Ok(Self { subject, last, layers, read })
    }

    /// What every token has of every token before any attention: itself, `[T, T]`.
    pub fn identity(&self) -> Result<Tensor> {
        Ok(Tensor::eye(self.read.dim(1)?, DType::F32, self.read.device())?)
    }

    /// What the tokens that are read have of each patch `[H, W]`, given what every token has of every token `[T, T]`.
    pub fn map(&self, relevance: &Tensor) -> Result<Tensor> {
        let of_tokens = self.read.matmul(&relevance.contiguous()?)?;
        let as_layer = of_tokens.reshape((1, 1, of_tokens.dim(1)?, 1))?;
        Ok(self.subject.model().at_places(&self.last, as_layer)?.squeeze(0)?.squeeze(0)?)
    }
}

fn heads(activations: &Activations, name: &LayerName) -> Result<Tensor> {
    by_head(&activations.get(name)?)
}

/// Attention as layers are tapped, `[1, heads, T, T]`, or the rows of `[heads, T, T]`, `[heads, T, T, 1]` with keys before
/// queries.
fn by_head(tapped: &Tensor) -> Result<Tensor> {
    let (_, _, tokens, last) = tapped.dims4()?;
    if last == tokens { Ok(tapped.squeeze(0)?) } else { Ok(tapped.squeeze(3)?.transpose(1, 2)?.contiguous()?) }
}

/// Which tokens are read: those at which there is a gradient `[1, C, T, 1]`, each alike.
fn read(gradient: &Tensor) -> Result<Tensor> {
    let sizes = gradient.abs()?.sum((0, 1))?.flatten_all()?.to_vec1::<f32>()?;
    let read: Vec<f32> = sizes.iter().map(|size| f32::from(u8::from(*size > 0.0))).collect();
    let count = read.iter().sum::<f32>().max(1.0);
    let shares: Vec<f32> = read.iter().map(|one| one / count).collect();
    Ok(Tensor::from_vec(shares, (1, sizes.len()), gradient.device())?)
}
