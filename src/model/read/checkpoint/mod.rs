//! Checkpoints: tensors by name, without the network that uses them. That comes from [`crate::model::architectures`],
//! found by the tensors' names and shapes.

mod fit;
pub mod npy;
pub mod npz;
pub mod pytorch;
pub mod safetensors;
mod tensors;

pub use tensors::Checkpoint;

use super::onnx::proto::Tensor;
use super::onnx::source::ByteSource;
use super::onnx::{self, ImportOptions, Imported, Refusal};
use crate::model::zoo::architectures::{self, Architecture};
use std::sync::Arc;

/// A checkpoint's tensors in the network that they belong to.
#[derive(Debug)]
pub struct Network {
    /// Its layers.
    pub imported: Imported,
    /// What it is.
    pub architecture: &'static Architecture,
}

/// The network of a checkpoint; of the architecture `asked` for, if any.
///
/// # Errors
/// A [`Refusal`] if no architecture has these tensors, with the closest one.
pub fn network(checkpoint: &Checkpoint, asked: Option<&str>, options: &ImportOptions) -> Result<Network, Refusal> {
    let tables = architectures::tables();
    let fit = fit::find(checkpoint, asked, &tables)?;
    let own = fit.architecture;
    let weights = own.tensors(&tables).into_iter().filter_map(|(name, _)| {
        let stored = checkpoint.tensors.get(&fit::stored_as(checkpoint, own, &fit.prefix, name)?)?.clone();
        Some(Tensor { name: name.to_owned(), stored })
    });
    let weights: Vec<Tensor> = weights.collect();
    drop(tables);
    let kernel = weights.iter().find(|tensor| Some(&tensor.name) == own.first.as_ref());
    let channels = kernel.and_then(|tensor| usize::try_from(*tensor.stored.dims.get(1)?).ok());
    let options = ImportOptions {
        size: options.size.or(Some(own.input.size)),
        channels: options.channels.or(channels),
        output: options.output.clone(),
    };
    let mut imported = onnx::import_with(Arc::new(ByteSource::Memory(own.graph())), weights, &options)?;
    imported.assumptions.extend(fit.assumptions());
    Ok(Network { imported, architecture: own })
}
