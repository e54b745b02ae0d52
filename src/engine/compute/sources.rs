//! Pictures and models a run asks for.

use crate::engine::protocol::InputRecord;
use crate::engine::protocol::Source;
use crate::error::{Error, Result};
use crate::imaging::{Picture, decode, read_bytes, samples};
use crate::model::{Entry, Model, Weights, find, sha256_hex};
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture and what the manifest says of it.
pub(in crate::engine) fn read_picture(source: &Source, role: &str) -> Result<(Picture, InputRecord)> {
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

/// Models that have been opened, so that switching techniques does not read weights again.
pub(in crate::engine) struct Models {
    known: &'static [Entry],
    device: Device,
    open: Vec<(String, Option<PathBuf>, Arc<Model>)>,
}

impl Models {
    pub fn new(known: &'static [Entry], device: Device) -> Self {
        Self { known, device, open: Vec::new() }
    }

    /// A model by its name, with its own weights or a file's.
    pub fn get(&mut self, id: &str, file: Option<&Path>) -> Result<Arc<Model>> {
        let known = |(m, f, _): &&(String, Option<PathBuf>, _)| m == id && f.as_deref() == file;
        if let Some((_, _, model)) = self.open.iter().find(known) {
            return Ok(model.clone());
        }
        let entry = find(self.known, id)?;
        let weights = match file {
            Some(path) => Weights::read(path)?,
            None => entry.weights(),
        };
        let model = Arc::new(entry.build(&weights, &self.device)?);
        self.open.push((id.to_owned(), file.map(Path::to_owned), model.clone()));
        Ok(model)
    }

    /// The first that ends in classes: for pictures whose own model has none.
    pub fn classifier(&mut self) -> Result<Arc<Model>> {
        let first = self.known.iter().find(|entry| entry.output.is_some());
        let id = first.ok_or_else(|| Error::unknown("classifier", "", "this engine knows none"))?.id;
        self.get(id, None)
    }
}
