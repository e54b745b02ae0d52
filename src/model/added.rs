//! Models that the person has given names: a list in the XDG data folder.

use super::read::{self, ReadOptions};
use super::{BUILT_IN, Model, UNTRAINED};
use crate::error::{Error, Result, did_you_mean};
use crate::imaging::write_atomically;
use candle_core::Device;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::TryLockError;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

/// The file of the list.
const LIST: &str = "models.json";
/// The folder of the copies.
const COPIES: &str = "models";
/// How long another process may change the list.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a name at most: it becomes the name of a folder.
const LONGEST: usize = 100;

/// A name for a model from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Added {
    /// The name.
    pub name: String,
    /// Where the model is: an absolute path, or a name of the hub's.
    pub place: String,
    /// What the person says of it.
    #[serde(default, skip_serializing_if = "ReadOptions::is_empty")]
    pub reading: ReadOptions,
}

/// The program's folder under XDG data.
fn folder() -> Result<PathBuf> {
    let none = |_| Error::unknown("folder for data", "", "HOME is not set; set XDG_DATA_HOME");
    Ok(etcetera::choose_base_strategy().map_err(none)?.data_dir().join("gradlens"))
}

/// Every added model, by name.
///
/// # Errors
/// [`Error::BadModel`] if the list is there and cannot be read: what it holds is not lost, so nothing may be written over it.
pub fn added() -> Result<Vec<Added>> {
    // Where there is no place for a list there is none.
    let Ok(folder) = folder() else { return Ok(vec![]) };
    let path = folder.join(LIST);
    let reason = |e: &dyn std::fmt::Display| {
        Error::bad_model(&path, format!("this list of added models cannot be read ({e}); mend it or move it away"))
    };
    // A pipe in its place would never end.
    if path.exists() && !path.is_file() {
        return Err(reason(&"it is not a file"));
    }
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|e| reason(&e)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(vec![]),
        Err(e) => Err(reason(&e)),
    }
}

/// The added model of that name.
///
/// # Errors
/// As [`added`].
pub fn find_added(name: &str) -> Result<Option<Added>> {
    Ok(added()?.into_iter().find(|added| added.name == name))
}

/// Keeps other processes from changing the list and the copies, as long as it is held.
fn locked(folder: &Path) -> Result<std::fs::File> {
    let failed = |e| Error::bad_model(folder, e);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let path = folder.join("models.lock");
    if path.exists() && !path.is_file() {
        return Err(Error::bad_model(path, "it is not a file; move it away"));
    }
    // What it holds stays: it may be a link to something else.
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    let start = Instant::now();
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::WouldBlock if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            TryLockError::WouldBlock => {
                let reason =
                    "another gradlens has been changing the list of models for a minute; try again when it is done";
                return Err(Error::bad_model(folder, reason));
            }
            TryLockError::Error(error) => return Err(failed(error)),
        }
    }
    Ok(file)
}

/// Whether a model may be called so: a folder of that name holds its copy.
fn is_name(name: &str) -> bool {
    let odd = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'));
    !(name.is_empty() || name.starts_with(['-', '.']) || name.contains(odd) || read::is_file(name))
}

/// How a model is added.
#[derive(Debug, Clone, Copy, Default)]
pub struct Adding {
    /// A copy of its files is kept.
    pub copy: bool,
    /// It may take the place of another one of that name.
    pub replace: bool,
}

/// Names a model, after it has been read: its place, and what was found there. Whenever this is cut short, the list is either as
/// it was or as it should be, and what it names is there.
///
/// # Errors
/// [`Error::BadValue`] for a name that means something already, [`Error::BadModel`] if it cannot be used, and what else
/// [`read::open`] returns.
pub fn add(name: &str, place: &str, mut reading: ReadOptions, how: Adding) -> Result<(Added, Model)> {
    if !is_name(name) {
        let reason = "a name takes letters, digits, - _ . and +, and does not end like a file";
        return Err(Error::bad_value("name", name, reason));
    }
    if name.len() > LONGEST {
        return Err(Error::bad_value("name", name, format!("a name has {LONGEST} bytes at most")));
    }
    if BUILT_IN.iter().chain(UNTRAINED).any(|entry| entry.id == name) {
        return Err(Error::bad_value("name", name, "that model is built in; take another name"));
    }
    let taken = |all: &[Added]| match all.iter().find(|old| old.name == name && !how.replace) {
        Some(old) => {
            let reason = format!("that name is taken: it is {}; --replace takes its place", old.place);
            Err(Error::bad_value("name", name, reason))
        }
        None => Ok(()),
    };
    taken(&added()?)?;
    read::weight_file(place)?;
    if let Some(labels) = &mut reading.labels {
        *labels = std::fs::canonicalize(&*labels)
            .map_err(|e| Error::bad_value("--labels", labels.display(), e.to_string()))?;
    }
    let mut place = place.to_owned();
    if read::is_path(&place) || !read::is_file(&place) {
        let path = std::fs::canonicalize(&place).map_err(|e| Error::bad_model(&place, e))?;
        let path = path.into_os_string().into_string();
        place = path.map_err(|_| Error::bad_model(&place, "its path is not UTF-8; rename it"))?;
    } else if how.copy {
        return Err(Error::bad_value("--copy", place, "models of the hub's cache stay there"));
    }
    let model = read::open(&place, name, &reading, &Device::Cpu)?;
    let folder = folder()?;
    let _lock = locked(&folder)?;
    let before = added()?;
    taken(&before)?;
    if how.copy {
        place = copied(Path::new(&place), &folder.join(COPIES), name, &mut reading)?.to_string_lossy().into_owned();
    }
    let added = Added { name: name.to_owned(), place, reading };
    let mut all: Vec<Added> = before.iter().filter(|other| other.name != name).cloned().collect();
    all.push(added.clone());
    all.sort_by(|a, b| a.name.cmp(&b.name));
    store(&folder, &all)?;
    clear(&folder, &before, &all);
    Ok((added, model))
}

/// Forgets a name, and the copy that was made for it. The model itself stays where it is.
///
/// # Errors
/// [`Error::Unknown`] with the closest names.
pub fn remove(name: &str) -> Result<()> {
    let folder = folder()?;
    let _lock = locked(&folder)?;
    let mut all = added()?;
    let known = all.clone();
    let count = all.len();
    all.retain(|other| other.name != name);
    if all.len() == count {
        let hint = did_you_mean(name, known.iter().map(|added| added.name.as_str()));
        let hint = if hint.is_empty() { "`gradlens models` lists what was added".to_owned() } else { hint };
        return Err(Error::unknown("added model", name, hint));
    }
    store(&folder, &all)?;
    clear(&folder, &known, &all);
    Ok(())
}

/// The folder among the copies that a path lies in.
fn copy_of(copies: &Path, path: &Path) -> Option<PathBuf> {
    let inside = path.strip_prefix(copies.canonicalize().ok()?).ok()?;
    match inside.components().next()? {
        Component::Normal(own) => Some(copies.join(own)),
        _ => None,
    }
}

/// Removes the copies that were on the list and that no name means any more, and what a program has left that was killed. What
/// cannot be removed stays: nothing needs it.
fn clear(folder: &Path, before: &[Added], now: &[Added]) {
    let copies = folder.join(COPIES);
    let of = |added: &Added| -> Vec<PathBuf> {
        let paths = std::iter::once(Path::new(&added.place)).chain(added.reading.labels.as_deref());
        paths.filter_map(|path| copy_of(&copies, path)).collect()
    };
    let wanted: HashSet<PathBuf> = now.iter().flat_map(of).collect();
    let unfinished = std::fs::read_dir(&copies).into_iter().flatten().flatten();
    let unfinished = unfinished.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED));
    let old = before.iter().flat_map(of).chain(unfinished.map(|entry| entry.path()));
    for path in old.filter(|path| !wanted.contains(path)) {
        if path.is_dir() && !path.is_symlink() {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn store(folder: &Path, all: &[Added]) -> Result<()> {
    let text = serde_json::to_vec_pretty(all).map_err(|e| Error::bad_model(folder, e))?;
    write_atomically(&folder.join(LIST), &text)
}

/// What begins the names of copies that are being made.
const UNFINISHED: &str = ".new-";
/// What begins the name of a copied file of labels.
const LABELS: &str = "labels-";

/// A copy of a file and of the weights beside it, or of the files in a folder, and of the file of labels, in a folder of its own
/// that has no name before it is whole: where the copy is.
fn copied(from: &Path, copies: &Path, name: &str, reading: &mut ReadOptions) -> Result<PathBuf> {
    let failed = |e| Error::bad_model(copies, e);
    std::fs::create_dir_all(copies).map_err(failed)?;
    let fresh = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(copies).map_err(failed)?;
    let file = from.file_name().unwrap_or_default();
    if from.is_dir() {
        let inside = fresh.path().join(file);
        std::fs::create_dir_all(&inside).map_err(failed)?;
        for entry in std::fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().is_file() {
                std::fs::copy(entry.path(), inside.join(entry.file_name())).map_err(failed)?;
            }
        }
    } else {
        let mut outside = file.to_owned();
        outside.push(".data");
        if from.with_file_name(&outside).is_file() {
            std::fs::copy(from.with_file_name(&outside), fresh.path().join(&outside)).map_err(failed)?;
        }
        std::fs::copy(from, fresh.path().join(file)).map_err(failed)?;
    }
    let labels = reading.labels.as_ref().map(|labels| {
        let own = labels.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let called = if own.starts_with(LABELS) { own } else { format!("{LABELS}{own}") };
        std::fs::copy(labels, fresh.path().join(&called)).map(|_| called)
    });
    let labels = labels.transpose().map_err(failed)?;
    // A graph may want weights from files of any name.
    if read::open(&fresh.path().join(file).to_string_lossy(), "copy", reading, &Device::Cpu).is_err() {
        let reason = "a copy of it alone cannot be used, since it wants other files beside it; add it without --copy";
        return Err(Error::bad_model(from, reason));
    }
    let free = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}.{n}")));
    let to = free.map(|own| copies.join(own)).find(|to| !to.exists() && !to.is_symlink());
    let to = to.unwrap_or_else(|| copies.join(name));
    std::fs::rename(fresh.keep(), &to).map_err(failed)?;
    let to = to.canonicalize().map_err(failed)?;
    reading.labels = labels.map(|called| to.join(called));
    Ok(to.join(file))
}
