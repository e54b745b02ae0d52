//! Pictures and models a run asks for.

use crate::engine::protocol::{InputRecord, Source};
use crate::error::{Error, Result};
use crate::imaging::{Picture, decode, read_bytes, samples};
use crate::model::{self, Entry, Model, ModelRef, Output, Purpose, sha256_hex};
use candle_core::Device;
use std::path::Path;
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

/// How many models stay open: those that were asked for last.
const MOST_OPEN: usize = 4;

/// Models that have been opened, so that switching techniques does not read weights again.
pub(in crate::engine) struct OpenModels {
    known: &'static [Entry],
    device: Device,
    open: Vec<(ModelRef, Arc<Model>)>,
}

impl OpenModels {
    pub fn new(known: &'static [Entry], device: Device) -> Self {
        Self { known, device, open: Vec::new() }
    }

    /// What the scores of a model mean, where that is known without reading it; and what speaks against reading it.
    pub fn known_output(&self, which: &ModelRef) -> Result<Option<Output>> {
        match self.open.iter().find(|(known, _)| known == which) {
            Some((_, model)) => Ok(model.info.output.clone()),
            None => model::known_output(self.known, which),
        }
    }

    /// The model that is meant.
    pub fn get(&mut self, which: &ModelRef) -> Result<Arc<Model>> {
        let model = match self.open.iter().position(|(known, _)| known == which) {
            Some(at) => self.open.remove(at).1,
            None => Arc::new(model::open(self.known, which, &self.device)?),
        };
        self.open.push((which.clone(), model.clone()));
        if self.open.len() > MOST_OPEN {
            self.open.remove(0);
        }
        Ok(model)
    }

    /// The model that a technique with that purpose runs on unless told otherwise.
    pub fn usual(&self, purpose: Purpose) -> Result<ModelRef> {
        Ok(ModelRef::named(model::usual(self.known, purpose)?.id))
    }

    /// The usual one with classes: for pictures whose own model has none.
    pub fn classifier(&mut self) -> Result<Arc<Model>> {
        let usual = self.usual(Purpose::Classes)?;
        self.get(&usual)
    }
}
