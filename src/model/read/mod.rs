//! Models from outside: what kinds of files there are, and how a model is made of what one holds.

pub mod checkpoint;
mod folder;
mod hub;
mod labels;
pub mod onnx;
mod options;
mod preprocessing;
mod scores;

pub use options::ReadOptions;

use super::zoo::architectures::Preprocessing;
use super::{Assumption, ChannelOrder, Model, Provenance, Roles};
use crate::error::{Error, Result};
use candle_core::Device;
use checkpoint::Checkpoint;
use onnx::Refusal;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A kind of file that a model may be in.
struct Format {
    /// Its name in `run.json`.
    name: &'static str,
    /// How names of such files end.
    endings: &'static [&'static str],
    /// Whether a file is one, by its first bytes.
    is: fn(&Path, &Head) -> bool,
    read: Reads,
}

/// What a kind of file holds.
enum Reads {
    /// A network with its weights.
    Graph(fn(&Path, &onnx::Options) -> std::result::Result<onnx::Imported, Refusal>),
    /// Tensors by name.
    Tensors(fn(&Path) -> std::result::Result<Checkpoint, Refusal>),
}

/// What a file begins with, and how long it is.
struct Head {
    bytes: Vec<u8>,
    length: u64,
}

/// Every kind; what is none of the others is taken for the last.
static FORMATS: &[Format] = &[
    Format {
        name: "safetensors",
        endings: &["safetensors"],
        is: |_, head| checkpoint::safetensors::is(&head.bytes, head.length),
        read: Reads::Tensors(checkpoint::safetensors::read),
    },
    Format {
        name: "pytorch",
        endings: &["pth", "pt", "ckpt", "bin", "pth.tar", "pt2"],
        is: |path, head| checkpoint::pytorch::is(path, &head.bytes),
        read: Reads::Tensors(checkpoint::pytorch::read),
    },
    Format {
        name: "npz",
        endings: &["npz"],
        is: |path, head| checkpoint::npz::is(path, &head.bytes),
        read: Reads::Tensors(checkpoint::npz::read),
    },
    Format { name: "onnx", endings: &["onnx"], is: |_, _| true, read: Reads::Graph(onnx::read) },
];

/// What a model is made of.
struct Found {
    imported: onnx::Imported,
    /// How pictures go in, where the file does not say, and who does it like that.
    usual: Usual,
    /// The architecture, where it has a name.
    architecture: Option<String>,
    /// Names of the classes.
    labels: Option<Vec<String>>,
    /// The file of weights.
    file: PathBuf,
    format: &'static str,
}

/// How pictures go in unless something is said.
#[derive(Debug, Clone)]
struct Usual {
    preprocessing: Preprocessing,
    /// Whose way that is; `None` if it is the model's own and not an assumption.
    whose: Option<String>,
}

/// Whether a name means a model file and not a model by name: it says so itself, since the file may be on another machine.
#[must_use]
pub fn is_file(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let ends = |ending: &&str| lower.strip_suffix(*ending).is_some_and(|stem| stem.ends_with('.'));
    FORMATS.iter().flat_map(|format| format.endings).any(ends)
        || name.contains(std::path::is_separator)
        || hub::is_named(name)
}

/// Whether a path looks like a model's: by its ending, or a folder by the config in it.
#[must_use]
pub fn seems_model(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_dir() { path.join("config.json").is_file() } else { is_file(&name) }
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

/// Reads a model file or folder onto `device`, as a model called `id`. What neither it nor `options` say is assumed, and listed in the model's
/// provenance.
///
/// # Errors
/// [`Error::BadModel`] with what stands in the way and what would help; [`Error::BadValue`] if an option does not fit.
pub fn open(place: &str, id: &str, options: &ReadOptions, device: &Device) -> Result<Model> {
    let path = located(place)?;
    let refused = |refusal: Refusal| Error::bad_model(&path, refusal);
    let asked = onnx::Options {
        size: options.input_size,
        channels: options.channels.map(ChannelOrder::count),
        output: options.output.clone(),
    };
    let found = if path.is_dir() {
        folder::read(&path, options, asked).map_err(refused)?
    } else {
        read(&path, options.arch.as_deref(), &Hints::default(), &asked).map_err(refused)?
    };
    let mut assumed = found.imported.assumptions.clone();
    let input = preprocessing::input(&path, &found.imported.input, &found.usual, options, &mut assumed)?;
    let output = scores::output(&path, &found.imported, found.labels.as_ref(), options, &mut assumed)?;
    let scores = output.as_ref().map(|output| output.scores);
    let graph = onnx::network(&found.imported, scores, device).map_err(refused)?;
    let graph_file = found.format == "onnx";
    let provenance = Provenance {
        file: found.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        format: found.format.to_owned(),
        sha256: sha256(&found.file)?,
        architecture: found.architecture,
        exporter: Some(found.imported.producer.clone()).filter(|text| !text.is_empty()),
        opset: graph_file.then_some(found.imported.opset),
        assumed,
    };
    Model::new(id, graph, input, output, Roles::default(), provenance)
}

/// What a model is called that nobody has named: its file's name without the ending, its folder's, or the hub's.
#[must_use]
pub fn called(place: &str) -> String {
    if hub::is_named(place) {
        return place.to_owned();
    }
    let file = Path::new(place).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lower = file.to_ascii_lowercase();
    let longest = FORMATS.iter().flat_map(|format| format.endings).filter(|ending| lower.ends_with(**ending));
    let ending = longest.map(|ending| ending.len() + 1).max().unwrap_or(0);
    let stem = file.len().checked_sub(ending).and_then(|end| file.get(..end)).filter(|stem| !stem.is_empty());
    stem.unwrap_or(&file).to_owned()
}

/// What is known of a file before it is read.
#[derive(Debug, Default)]
struct Hints {
    /// The architecture, as a config calls it.
    architecture: Option<String>,
}

/// Reads a file of any kind. The architecture is the one that was asked for, or what the tensors and hints say.
fn read(
    path: &Path,
    arch: Option<&str>,
    hints: &Hints,
    asked: &onnx::Options,
) -> std::result::Result<Found, Refusal> {
    let format = format(path)?;
    let found = match format.read {
        Reads::Graph(read) => Found {
            imported: read(path, asked)?,
            usual: Usual::photos(),
            architecture: None,
            labels: None,
            file: path.to_owned(),
            format: format.name,
        },
        Reads::Tensors(read) => {
            let mut checkpoint = read(path)?;
            checkpoint.architecture = hints.architecture.clone().or(checkpoint.architecture);
            let network = checkpoint::network(&checkpoint, arch, asked)?;
            let own = network.architecture;
            Found {
                imported: network.imported,
                usual: Usual {
                    preprocessing: own.input.clone(),
                    whose: Some(format!("{}'s for {}", own.library, own.name)),
                },
                architecture: Some(own.name.clone()),
                labels: None,
                file: path.to_owned(),
                format: format.name,
            }
        }
    };
    Ok(found)
}

/// What kind of file it is: by its first bytes, else by its name.
fn format(path: &Path) -> std::result::Result<&'static Format, Refusal> {
    let about = std::fs::metadata(path).map_err(Refusal::new)?;
    if !about.is_file() {
        return Err(Refusal::new("it is not a file; give a model file, as best.onnx, or a folder with one"));
    }
    let file = std::fs::File::open(path).map_err(Refusal::new)?;
    let mut head = Head { bytes: Vec::new(), length: about.len() };
    file.take(512).read_to_end(&mut head.bytes).map_err(Refusal::new)?;
    let (last, others) = FORMATS.split_last().expect("there are formats");
    let name = path.to_string_lossy().to_ascii_lowercase();
    let by_name = |format: &&Format| format.endings.iter().any(|ending| name.ends_with(&format!(".{ending}")));
    Ok(others.iter().find(|format| (format.is)(path, &head)).or_else(|| others.iter().find(by_name)).unwrap_or(last))
}

fn assume(assumed: &mut Vec<Assumption>, what: impl Into<String>, option: &str) {
    assumed.push(Assumption { what: what.into(), option: option.to_owned() });
}

/// SHA-256 of a file, in hexadecimal; only a little of it is in memory at a time.
///
/// # Errors
/// [`Error::BadModel`] if it cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let unreadable = |e| Error::bad_model(path, e);
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
