//! A model from what a person calls it.

use super::catalogue::{Entry, find};
use super::{Model, Output, Weights};
use crate::error::{Error, Result};
use candle_core::Device;
use std::path::PathBuf;

/// Which model is meant: plain data that can come from anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRef {
    /// Its name.
    pub name: String,
    /// A weight file instead of its own.
    pub weights: Option<PathBuf>,
}

impl ModelRef {
    /// A model with its own weights.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), weights: None }
    }
}

/// What the scores of a model mean, where that is known without reading it.
///
/// # Errors
/// [`Error::Unknown`] with the closest names, [`Error::BadWeights`] if a file is not there.
pub fn known_output(known: &[Entry], which: &ModelRef) -> Result<Option<Output>> {
    let entry = find(known, &which.name)?;
    if let Some(path) = &which.weights {
        std::fs::metadata(path).map_err(|e| Error::bad_weights(path, e))?;
    }
    Ok(entry.output.map(|output| output()))
}

/// Reads the model that is meant onto `device`.
///
/// # Errors
/// [`Error::Unknown`] with the closest names, [`Error::BadWeights`] if a file cannot be read.
pub fn open(known: &[Entry], which: &ModelRef, device: &Device) -> Result<Model> {
    let entry = find(known, &which.name)?;
    let weights = match &which.weights {
        Some(path) => Weights::read(path)?,
        None => entry.weights(),
    };
    entry.build(&weights, device)
}
