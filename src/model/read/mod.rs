//! Models from outside: what kinds of files there are, and how a model is made of what one holds.

pub mod checkpoint;
mod folder;
mod foreign;
mod format;
mod hub;
mod labels;
pub mod onnx;
mod options;
mod preprocessing;
mod scores;
mod steady;

pub use options::ReadOptions;
pub use scores::read_labels;
use steady::steadily;

use super::{ChannelOrder, Model, Provenance, Roles};
use crate::error::{Error, Result};
use crate::memory::in_own_pages;
use candle_core::Device;
use format::{Hints, endings, read};
use onnx::Refusal;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Whether a name means a model file and not a model by name: it says so itself, since the file may be on another machine.
#[must_use]
pub fn is_file(name: &str) -> bool {
    let known = endings().chain(foreign::endings());
    ends_in(name, known) || name.contains(std::path::is_separator) || hub::is_named(name)
}

fn ends_in(name: &str, mut endings: impl Iterator<Item = &'static &'static str>) -> bool {
    let lower = name.to_ascii_lowercase();
    endings.any(|ending| lower.strip_suffix(*ending).is_some_and(|stem| stem.ends_with('.')))
}

/// Whether a path looks like a model's: by its ending, or a folder by the config in it.
#[must_use]
pub fn seems_model(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_dir() { path.join("config.json").is_file() } else { ends_in(&name, endings()) }
}

/// Whether a name is a place on this machine, and not that of a model in the hub's cache.
#[must_use]
pub fn is_path(name: &str) -> bool {
    is_file(name) && !hub::is_named(name)
}

/// The file that holds a model's weights: in a folder, the one that timm would take.
///
/// # Errors
/// [`Error::BadModel`] if there is none.
pub fn weight_file(name: &str) -> Result<PathBuf> {
    let path = located(name)?;
    if path.is_dir() {
        return folder::weights(&path).map_err(|refusal| Error::bad_model(&path, refusal));
    }
    std::fs::metadata(&path).map_err(|e| Error::bad_model(&path, e))?;
    Ok(path)
}

/// The place that a name stands for.
fn located(name: &str) -> Result<PathBuf> {
    if hub::is_named(name) {
        hub::locate(name).map_err(|refusal| Error::bad_model(name, refusal))
    } else {
        Ok(name.into())
    }
}

/// Reads a model file or folder onto `device`, as a model called `id`. What neither it nor `options` say is assumed, and
/// listed in the model's provenance.
///
/// # Errors
/// [`Error::BadModel`] with what stands in the way and what would help; [`Error::BadValue`] if an option does not fit.
pub fn open(place: &str, id: &str, options: &ReadOptions, device: &Device) -> Result<Model> {
    let path = located(place)?;
    let file = weight_file(place).unwrap_or_else(|_| path.clone());
    steadily(&file, || open_at(&path, id, options, device))
}

fn open_at(path: &Path, id: &str, options: &ReadOptions, device: &Device) -> Result<Model> {
    let refused = |refusal: Refusal| Error::bad_model(path, refusal);
    let asked = onnx::ImportOptions {
        size: options.input_size,
        channels: options.channels.map(ChannelOrder::count),
        output: options.output.clone(),
    };
    let found = if path.is_dir() {
        folder::read(path, options, asked).map_err(refused)?
    } else {
        read(path, options.arch.as_deref(), &Hints::default(), &asked).map_err(refused)?
    };
    if let (Some(arch), None) = (&options.arch, &found.architecture) {
        let reason = format!("{} holds its network itself; leave --arch out", path.display());
        return Err(Error::bad_value("--arch", arch, reason));
    }
    let mut assumed = found.imported.assumptions.clone();
    let (input, guessed) = preprocessing::input(path, &found.imported.input, &found.usual, options, &mut assumed)?;
    let output = scores::output(path, &found.imported, found.labels.as_ref(), options, &mut assumed)?;
    let scores = output.as_ref().map(|output| output.scores);
    let graph = in_own_pages(|| onnx::network(&found.imported, scores, device)).map_err(refused)?;
    let graph_file = found.format == "onnx";
    let provenance = Provenance {
        file: found.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        format: found.format.to_owned(),
        sha256: sha256(&found.file)?,
        architecture: found.architecture,
        exporter: Some(found.imported.producer.clone()).filter(|text| !text.is_empty()),
        opset: graph_file.then_some(found.imported.opset),
        outputs: several(&found.imported.outputs),
        assumed,
        doubt: None,
    };
    let model = Model::new(id, graph, input, output, Roles::default(), provenance)?;
    Ok(if guessed { model.doubted() } else { model })
}

/// Outputs of a graph that has more than one: the first few.
fn several(outputs: &[String]) -> Vec<String> {
    const MOST: usize = 16;
    let name = |output: &String| output.chars().filter(|c| !c.is_control()).take(200).collect();
    if outputs.len() > 1 { outputs.iter().take(MOST).map(name).collect() } else { vec![] }
}

/// What a model is called that nobody has named: its file's name without the ending, its folder's, or the hub's.
#[must_use]
pub fn called(place: &str) -> String {
    if hub::is_named(place) {
        return place.to_owned();
    }
    let path = Path::new(place);
    // `.` and `..` have no name of their own.
    let whole = path.file_name().is_none().then(|| path.canonicalize().ok()).flatten();
    let file = whole.as_deref().unwrap_or(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lower = file.to_ascii_lowercase();
    let stems = endings().filter_map(|ending| lower.strip_suffix(*ending)?.strip_suffix('.'));
    let stem = stems.map(str::len).min().and_then(|end| file.get(..end)).filter(|stem| !stem.is_empty());
    let name = stem.unwrap_or(&file);
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}

/// SHA-256 of a file, in hexadecimal; only a little of it is in memory at a time.
///
/// # Errors
/// [`Error::BadModel`] if it cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let unreadable = |e| Error::bad_model(path, e);
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Error::bad_model(path, "it is not a file"));
    }
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut block).map_err(unreadable)?;
        if read == 0 {
            return Ok(super::weights::hexadecimal(&hasher.finalize()));
        }
        hasher.update(&block[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::called;

    #[test]
    fn a_file_is_called_by_what_stands_before_its_ending() {
        let named = ["a/best.onnx", "BEST.PTH", "models/cabin", "x.bin", ".onnx", "/", "hf:timm/x.bin"].map(called);
        assert_eq!(named, ["best", "BEST", "cabin", "x", ".onnx", "model", "hf:timm/x.bin"]);
        assert!(!called("./").is_empty() && called("..") != "..");
    }
}
