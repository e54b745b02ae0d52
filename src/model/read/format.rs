//! The kinds of files that a model may be in, and what is found in one.

use super::checkpoint::{self, Checkpoint};
use super::foreign;
use super::onnx::{self, Refusal};
use super::preprocessing::Usual;
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
    Graph(fn(&Path, &onnx::ImportOptions) -> std::result::Result<onnx::Imported, Refusal>),
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
pub(super) struct ReadFile {
    pub imported: onnx::Imported,
    /// How pictures go in, where the file does not say, and who does it like that.
    pub usual: Usual,
    /// The architecture, where it has a name.
    pub architecture: Option<String>,
    /// Names of the classes.
    pub labels: Option<Vec<String>>,
    /// The file of weights.
    pub file: PathBuf,
    pub format: &'static str,
}

/// What is known of a file before it is read.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The architecture, as a config calls it.
    pub architecture: Option<String>,
}

/// Reads a file of any kind. The architecture is the one that was asked for, or what the tensors and hints say.
pub(super) fn read(
    path: &Path,
    arch: Option<&str>,
    hints: &Hints,
    asked: &onnx::ImportOptions,
) -> std::result::Result<ReadFile, Refusal> {
    let format = format(path)?;
    let (imported, usual, architecture) = match format.read {
        Reads::Graph(read) => (read(path, asked)?, Usual::photos(), None),
        Reads::Tensors(read) => {
            let mut checkpoint = read(path)?;
            checkpoint.architecture = hints.architecture.clone().or(checkpoint.architecture);
            let network = checkpoint::network(&checkpoint, arch, asked)?;
            let own = network.architecture;
            let whose = Some(format!("{}'s for {}", own.library, own.name));
            (network.imported, Usual { preprocessing: own.input.clone(), whose }, Some(own.name.clone()))
        }
    };
    Ok(ReadFile { imported, usual, architecture, labels: None, file: path.to_owned(), format: format.name })
}

/// How names of such files end.
pub(super) fn endings() -> impl Iterator<Item = &'static &'static str> {
    FORMATS.iter().flat_map(|format| format.endings)
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
    if let Some(refusal) = foreign::instead(&head.bytes) {
        return Err(refusal);
    }
    if let Some(format) = others.iter().find(|format| (format.is)(path, &head)) {
        return Ok(format);
    }
    match foreign::refusal(path, &head.bytes) {
        Some(refusal) => Err(refusal),
        None => Ok(others.iter().find(by_name).unwrap_or(last)),
    }
}
