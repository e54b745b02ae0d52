//! The bytes of a model: read where and when they are needed, so that no weight is in memory twice.

use super::Refusal;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

/// What a model is read from. Files are read by position and never mapped: one that shrinks while it is read gives an
/// error, not a signal.
#[derive(Debug)]
pub enum ByteSource {
    /// Bytes in memory, for tests and for models inside the program.
    Memory(Vec<u8>),
    /// An open file and its length when it was opened.
    File {
        /// The file.
        file: File,
        /// Bytes.
        len: u64,
        /// Where it is, for messages and for what lies beside it.
        path: PathBuf,
    },
    /// One tensor of a checkpoint, read as a whole whenever it is wanted.
    Tensor(pytorch_reader::Tensor),
}

impl ByteSource {
    /// Opens a regular file.
    ///
    /// # Errors
    /// A [`Refusal`] if it is not there, cannot be read or is no regular file.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        // Asked before it is opened: opening a pipe would wait for its other end.
        let kind = std::fs::metadata(path).map_err(Refusal::new)?;
        if !kind.is_file() {
            return Err(Refusal::new("it is not a file; give a model file, as best.onnx"));
        }
        let file = File::open(path).map_err(Refusal::new)?;
        let len = file.metadata().map_err(Refusal::new)?.len();
        Ok(Self::File { file, len, path: path.to_owned() })
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
            Self::Tensor(tensor) => tensor.byte_len() as u64,
        }
    }

    /// How many bytes are best read at a time.
    #[must_use]
    pub fn block(&self) -> usize {
        if let Self::Tensor(tensor) = self { tensor.byte_len() } else { 1 << 20 }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` from position `at`.
    ///
    /// # Errors
    /// A [`Refusal`] if the source ends before, or cannot be read.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), Refusal> {
        let past_end = || Refusal::new("the file is cut off; copy or export it again");
        let mut copy = |bytes: &[u8]| {
            let from = usize::try_from(at).map_err(|_| past_end())?;
            let part = from.checked_add(into.len()).and_then(|to| bytes.get(from..to)).ok_or_else(past_end)?;
            into.copy_from_slice(part);
            Ok(())
        };
        match self {
            Self::Memory(bytes) => copy(bytes),
            Self::Tensor(tensor) => {
                copy(&tensor.read().map_err(|e| Refusal(format!("{e}; copy or save the file again")))?)
            }
            Self::File { file, .. } => read_exact_at(file, into, at).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => past_end(),
                _ => Refusal::new(e),
            }),
        }
    }

    /// Opens a file of weights that a model names, which has to lie in the model's own folder or below it.
    ///
    /// # Errors
    /// A [`Refusal`] if the name leads elsewhere (absolute, `..`, a link that points outside), or there is no such file.
    pub fn beside(&self, location: &str) -> Result<Self, Refusal> {
        let Self::File { path, .. } = self else {
            return Err(Refusal::new("it keeps weights in another file, and a model in memory has none beside it"));
        };
        let name = Path::new(location);
        let plain = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let outside =
            || Refusal(format!("it wants weights from \"{}\", outside its own folder", location.escape_debug()));
        if location.is_empty() || !plain {
            return Err(outside());
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let missing = |e| {
            Refusal(format!(
                "its weights \"{}\" are not beside it ({e}); copy that file, too, under the same name",
                location.escape_debug()
            ))
        };
        let folder = folder.canonicalize().map_err(missing)?;
        let target = folder.join(name).canonicalize().map_err(missing)?;
        if !target.starts_with(&folder) {
            return Err(outside());
        }
        Self::open(&target)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, into: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, into: &mut [u8], at: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(into)
}
