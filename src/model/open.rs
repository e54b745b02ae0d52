//! A model from what a person calls it.

use super::added::{added, find_added};
use super::catalogue::Entry;
use super::read::{self, ReadOptions};
use super::zoo::architectures;
use super::{Model, Output, Weights};
use crate::error::{Error, Result, did_you_mean};
use candle_core::Device;
use std::path::{Path, PathBuf};

/// Which model is meant: plain data that can come from anywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRef {
    /// Its name, the path of a model file or folder, or a name of the hub's.
    pub name: String,
    /// A weight file instead of its own.
    pub weights: Option<PathBuf>,
    /// What a model file does not say of itself.
    pub reading: ReadOptions,
}

impl ModelRef {
    /// A model with its own weights.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), weights: None, reading: ReadOptions::default() }
    }
}

/// Where a model from outside is, and what is said of it; `None` for one of the catalogue's.
fn outside(known: &[Entry], which: &ModelRef) -> Result<Option<(String, ReadOptions)>> {
    if read::is_file(&which.name) {
        return Ok(Some((which.name.clone(), which.reading.clone())));
    }
    if find(known, &which.name).is_ok() {
        return Ok(None);
    }
    match find_added(&which.name)? {
        Some(added) => Ok(Some((added.place, which.reading.clone().or(added.reading)))),
        None => find(known, &which.name).map(|_| None),
    }
}

/// Says what speaks against a model that is meant, without reading it; where it is if it comes from outside.
fn checked(known: &[Entry], which: &ModelRef) -> Result<Option<(String, ReadOptions)>> {
    if let Some((place, reading)) = outside(known, which)? {
        if let Some(weights) = &which.weights {
            let reason = format!("{} brings its own; leave --weights out", which.name);
            return Err(Error::bad_value("--weights", weights.display(), reason));
        }
        return read::weight_file(&place).map(|_| Some((place, reading)));
    }
    if !which.reading.is_empty() {
        let reason = "what --labels, --mean and the like say is for model files; give --model FILE";
        return Err(Error::bad_value("--model", &which.name, reason));
    }
    match &which.weights {
        Some(path) => std::fs::metadata(path).map(|_| None).map_err(|e| Error::bad_weights(path, e)),
        None => Ok(None),
    }
}

/// What the scores of a model mean, where that is known without reading it.
///
/// # Errors
/// [`Error::Unknown`] with the closest names, [`Error::BadWeights`] if a file is not there.
pub fn known_output(known: &[Entry], which: &ModelRef) -> Result<Option<Output>> {
    checked(known, which)?;
    Ok(known.iter().find(|entry| entry.id == which.name).and_then(|entry| entry.output).map(|output| output()))
}

/// Reads the model that is meant onto `device`.
///
/// # Errors
/// [`Error::Unknown`] with the closest names, [`Error::BadWeights`] or [`Error::BadModel`] if a file cannot be read.
pub fn open(known: &[Entry], which: &ModelRef, device: &Device) -> Result<Model> {
    if let Some((place, reading)) = checked(known, which)? {
        let id = if read::is_file(&which.name) { read::called(&which.name) } else { which.name.clone() };
        return read::open(&place, &id, &reading, device);
    }
    let entry = find(known, &which.name)?;
    let weights = match &which.weights {
        Some(path) => Weights::read(path)?,
        None => entry.weights(),
    };
    entry.build(&weights, device)
}

/// The entry called `id` among `known`.
///
/// # Errors
/// [`Error::Unknown`] with the closest ids.
pub fn find<'a>(known: &'a [Entry], id: &str) -> Result<&'a Entry> {
    known.iter().find(|m| m.id == id).ok_or_else(|| Error::unknown("model", id, hint(known, id)))
}

/// What may have been meant by a name that is none.
fn hint(known: &[Entry], id: &str) -> String {
    if Path::new(id).exists() {
        return format!("what is called so here is meant by ./{id}");
    }
    if architectures::all().iter().any(|architecture| architecture.is_called(id)) {
        return format!("that is an architecture, so its weights are needed: --model {id}.safetensors or .pth");
    }
    let added = added().unwrap_or_default();
    let names = known.iter().map(|m| m.id).chain(added.iter().map(|m| m.name.as_str()));
    format!("{} `gradlens models` lists them", did_you_mean(id, names)).trim_start().to_owned()
}
