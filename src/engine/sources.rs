//! Pictures and networks a run asks for.

use super::manifest::InputRecord;
use super::message::Source;
use crate::error::{Error, Result};
use crate::imaging::{Picture, decode, read_bytes, samples};
use crate::nets::{Model, Network, Weights, model, sha256_hex};
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture and what the manifest says of it.
pub(super) fn read_picture(source: &Source, role: &str) -> Result<(Picture, InputRecord)> {
    let (picture, sha256) = match source {
        Source::File(path) => {
            let bytes = read_bytes(path)?;
            (decode(path, &bytes)?, sha256_hex(&bytes))
        }
        Source::Sample(name) => {
            let sample = samples::find(name).ok_or_else(|| {
                let names: Vec<&str> = samples::PHOTOS.iter().chain(samples::PAINTINGS).map(|s| s.name).collect();
                Error::unknown("sample", name, format!("there are {}", names.join(", ")))
            })?;
            (decode(Path::new(name), sample.bytes)?, sha256_hex(sample.bytes))
        }
    };
    let (width, height) = (picture.width, picture.height);
    Ok((picture, InputRecord { role: role.to_owned(), file: source.name(), sha256, width, height }))
}

/// Networks that have been built, so that switching techniques does not read weights again.
#[derive(Debug)]
pub(super) struct Networks {
    device: Device,
    built: Vec<(&'static str, Option<PathBuf>, Arc<Network>, Weights)>,
}

impl Networks {
    pub fn new(device: Device) -> Self {
        Self { device, built: Vec::new() }
    }

    /// The network of a model, with its own weights or a file's.
    pub fn get(&mut self, id: &str, file: Option<&Path>) -> Result<Arc<Network>> {
        let model: &Model = model(id)?;
        let known = |(m, f, _, _): &&(&str, Option<PathBuf>, _, _)| *m == model.id && f.as_deref() == file;
        if let Some((_, _, network, _)) = self.built.iter().find(known) {
            return Ok(network.clone());
        }
        let weights = match file {
            Some(path) => Weights::read(path)?,
            None => model.weights(),
        };
        let network = Arc::new(model.build(&weights, &self.device)?);
        self.built.push((model.id, file.map(Path::to_owned), network.clone(), weights));
        Ok(network)
    }

    /// SHA-256 of the weights a network was built from.
    pub fn sha256(&self, network: &Arc<Network>) -> Option<String> {
        self.built.iter().find(|(_, _, n, _)| Arc::ptr_eq(n, network)).map(|(_, _, _, w)| w.sha256())
    }
}
