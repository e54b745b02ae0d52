//! Models that the person has given names: a list in the XDG data folder.

use super::read::{self, ReadOptions};
use super::{BUILT_IN, Model, UNTRAINED};
use crate::error::{Error, Result, did_you_mean};
use crate::imaging::write_atomically;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file of the list.
const LIST: &str = "models.json";
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
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|e| reason(&e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
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
    let file = std::fs::File::create(folder.join("models.lock")).map_err(failed)?;
    file.lock().map_err(failed)?;
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

/// Names a model, after it has been read: its place, and what was found there.
///
/// # Errors
/// [`Error::BadValue`] for a name that means something already, [`Error::BadModel`] if it cannot be used, and what else
/// [`read::open`] returns.
pub fn add(name: &str, place: &str, mut reading: ReadOptions, how: Adding) -> Result<(Added, Model)> {
    let Adding { copy, replace } = how;
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
    read::weight_file(place)?;
    let folder = folder()?;
    let _lock = locked(&folder)?;
    let mut all = self::added()?;
    if let Some(old) = all.iter().find(|old| old.name == name && !replace) {
        let reason = format!("that name is taken: it is {}; --replace takes its place", old.place);
        return Err(Error::bad_value("name", name, reason));
    }
    let own = folder.join("models").join(name);
    unless_used(&all, name, &own)?;
    if let Some(labels) = &mut reading.labels {
        *labels = std::fs::canonicalize(&*labels)
            .map_err(|e| Error::bad_value("--labels", labels.display(), e.to_string()))?;
    }
    let place = if read::is_path(place) || !read::is_file(place) {
        let path = std::fs::canonicalize(place).map_err(|e| Error::bad_model(place, e))?;
        let path = if copy { copied(&path, &own, &mut reading)? } else { path };
        path.to_string_lossy().into_owned()
    } else if copy {
        return Err(Error::bad_value("--copy", place, "models of the hub's cache stay there"));
    } else {
        place.to_owned()
    };
    let model = read::open(&place, name, &reading, &candle_core::Device::Cpu)?;
    let added = Added { name: name.to_owned(), place, reading };
    all.retain(|other| other.name != name);
    all.push(added.clone());
    all.sort_by(|a, b| a.name.cmp(&b.name));
    store(&folder, &all)?;
    if !copy && own.is_dir() && !Path::new(&added.place).starts_with(own.canonicalize().unwrap_or(own.clone())) {
        std::fs::remove_dir_all(&own).map_err(|e| Error::bad_model(own, e))?;
    }
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
    let own = folder.join("models").join(name);
    unless_used(&all, name, &own)?;
    store(&folder, &all)?;
    let copy = folder.join("models").join(name);
    // The list may hold what nobody has added here: only what a copy may be called is removed.
    if is_name(name) && copy.is_dir() {
        std::fs::remove_dir_all(&copy).map_err(|e| Error::bad_model(copy, e))?;
    }
    Ok(())
}

/// Refuses to give up the copy that was made for a name while another name means a file in it.
fn unless_used(all: &[Added], name: &str, copy: &Path) -> Result<()> {
    let Ok(copy) = copy.canonicalize() else { return Ok(()) };
    let inside = |other: &&Added| other.name != name && Path::new(&other.place).starts_with(&copy);
    match all.iter().find(inside) {
        Some(other) => {
            let reason = format!("{} uses its copy; remove that first", other.name);
            Err(Error::bad_value("name", name, reason))
        }
        None => Ok(()),
    }
}

fn store(folder: &Path, all: &[Added]) -> Result<()> {
    let text = serde_json::to_vec_pretty(all).map_err(|e| Error::bad_model(folder, e))?;
    write_atomically(&folder.join(LIST), &text)
}

/// What begins the names of copies that are being made, and of those that are being given up.
const UNFINISHED: [&str; 2] = [".new-", ".old-"];

/// A copy of a file and of the weights beside it, or of the files in a folder, and of the file of labels: where the copy is. It
/// takes the place of an earlier one when it is whole. The list is locked meanwhile.
fn copied(from: &Path, to: &Path, reading: &mut ReadOptions) -> Result<PathBuf> {
    let failed = |e| Error::bad_model(to, e);
    let copies = to.parent().unwrap_or(to);
    std::fs::create_dir_all(copies).map_err(failed)?;
    // A program that was killed has left them.
    for entry in std::fs::read_dir(copies).map_err(failed)?.flatten() {
        if UNFINISHED.iter().any(|prefix| entry.file_name().to_string_lossy().starts_with(prefix)) {
            std::fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    let fresh = tempfile::Builder::new().prefix(UNFINISHED[0]).tempdir_in(copies).map_err(failed)?;
    let name = from.file_name().unwrap_or_default();
    if from.is_dir() {
        let inside = fresh.path().join(name);
        std::fs::create_dir_all(&inside).map_err(failed)?;
        for entry in std::fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().is_file() {
                std::fs::copy(entry.path(), inside.join(entry.file_name())).map_err(failed)?;
            }
        }
    } else {
        let mut outside = name.to_owned();
        outside.push(".data");
        if from.with_file_name(&outside).is_file() {
            std::fs::copy(from.with_file_name(&outside), fresh.path().join(&outside)).map_err(failed)?;
        }
        std::fs::copy(from, fresh.path().join(name)).map_err(failed)?;
    }
    // A graph may want weights from files of any name.
    let copy = fresh.path().join(name);
    if let Err(alone) = read::open(&copy.to_string_lossy(), "copy", reading, &candle_core::Device::Cpu) {
        let whole = read::open(&from.to_string_lossy(), "original", reading, &candle_core::Device::Cpu);
        return Err(whole.err().unwrap_or_else(|| {
            let reason = format!("a copy of it alone cannot be used ({alone}); add it without --copy");
            Error::bad_model(from, reason)
        }));
    }
    if let Some(labels) = &mut reading.labels {
        let mut called = std::ffi::OsString::from("labels-");
        called.push(labels.file_name().unwrap_or_default());
        std::fs::copy(&*labels, fresh.path().join(&called)).map_err(failed)?;
        *labels = to.join(called);
    }
    let old = tempfile::Builder::new().prefix(UNFINISHED[1]).tempdir_in(copies).map_err(failed)?;
    if to.is_dir() {
        std::fs::rename(to, old.path().join("model")).map_err(failed)?;
    }
    std::fs::rename(fresh.keep(), to).map_err(failed)?;
    Ok(to.join(name))
}
