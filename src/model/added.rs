//! Models that the person has given names: a list in the XDG data folder.

use super::read::{self, ReadOptions};
use super::{BUILT_IN, UNTRAINED};
use crate::error::{Error, Result, did_you_mean};
use crate::imaging::write_atomically;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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

/// Every added model, by name. None if the list cannot be read.
#[must_use]
pub fn added() -> Vec<Added> {
    let text = folder().ok().and_then(|folder| std::fs::read(folder.join("models.json")).ok());
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// The added model of that name.
#[must_use]
pub fn find_added(name: &str) -> Option<Added> {
    added().into_iter().find(|added| added.name == name)
}

/// Names a model; a copy of its files is kept with `copy`. It must be there; nothing is read of it.
///
/// # Errors
/// [`Error::BadValue`] for a name that means something already, [`Error::BadModel`] if there is no such file.
pub fn add(name: &str, place: &str, mut reading: ReadOptions, copy: bool) -> Result<Added> {
    let odd = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'));
    if name.is_empty() || name.starts_with(['-', '.']) || name.contains(odd) || read::is_file(name) {
        let reason = "a name takes letters, digits, - _ . and +, and does not end like a file";
        return Err(Error::bad_value("name", name, reason));
    }
    if BUILT_IN.iter().chain(UNTRAINED).any(|entry| entry.id == name) {
        return Err(Error::bad_value("name", name, "that model is built in; take another name"));
    }
    read::weight_file(place)?;
    let folder = folder()?;
    let place = if read::is_path(place) || !read::is_file(place) {
        let path = std::fs::canonicalize(place).map_err(|e| Error::bad_model(place, e))?;
        let path = if copy { copied(&path, &folder.join("models").join(name))? } else { path };
        path.to_string_lossy().into_owned()
    } else if copy {
        return Err(Error::bad_value("--copy", place, "models of the hub's cache stay there"));
    } else {
        place.to_owned()
    };
    if let Some(labels) = &mut reading.labels {
        *labels = std::fs::canonicalize(&*labels)
            .map_err(|e| Error::bad_value("--labels", labels.display(), e.to_string()))?;
    }
    let added = Added { name: name.to_owned(), place, reading };
    let mut all = self::added();
    all.retain(|other| other.name != name);
    all.push(added.clone());
    all.sort_by(|a, b| a.name.cmp(&b.name));
    store(&folder, &all)?;
    Ok(added)
}

/// Forgets a name, and the copy that was made for it. The model itself stays where it is.
///
/// # Errors
/// [`Error::Unknown`] with the closest names.
pub fn remove(name: &str) -> Result<()> {
    let mut all = added();
    let count = all.len();
    all.retain(|other| other.name != name);
    if all.len() == count {
        let known = added();
        let hint = did_you_mean(name, known.iter().map(|added| added.name.as_str()));
        let hint = if hint.is_empty() { "`gradlens models` lists what was added".to_owned() } else { hint };
        return Err(Error::unknown("added model", name, hint));
    }
    let folder = folder()?;
    store(&folder, &all)?;
    let copy = folder.join("models").join(name);
    if copy.is_dir() {
        std::fs::remove_dir_all(&copy).map_err(|e| Error::bad_model(copy, e))?;
    }
    Ok(())
}

fn store(folder: &Path, all: &[Added]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::bad_model(folder, e))?;
    let text = serde_json::to_vec_pretty(all).map_err(|e| Error::bad_model(folder, e))?;
    write_atomically(&folder.join("models.json"), &text)
}

/// A copy of a file and of the weights beside it, or of the files in a folder: where the copy is.
fn copied(from: &Path, to: &Path) -> Result<PathBuf> {
    let failed = |e| Error::bad_model(to, e);
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).map_err(failed)?;
    let name = from.file_name().unwrap_or_default();
    if from.is_dir() {
        let inside = to.join(name);
        std::fs::create_dir_all(&inside).map_err(failed)?;
        for entry in std::fs::read_dir(from).map_err(failed)?.flatten().filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), inside.join(entry.file_name())).map_err(failed)?;
        }
        return Ok(inside);
    }
    let mut outside = name.to_owned();
    outside.push(".data");
    if from.with_file_name(&outside).is_file() {
        std::fs::copy(from.with_file_name(&outside), to.join(&outside)).map_err(failed)?;
    }
    std::fs::copy(from, to.join(name)).map_err(failed)?;
    Ok(to.join(name))
}
