//! The runs of this person on this machine: a folder each, with what there is to know of it.

use crate::engine::protocol::Phase;
use crate::error::{Error, Result, did_you_mean};
use crate::imaging::write_private;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Ended runs whose folders are kept.
const KEPT: usize = 50;

/// What is known of a run beside its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Its name in listings: the technique's id and four characters.
    pub id: String,
    /// The technique's id.
    pub technique: String,
    /// The photo's name.
    pub picture: Option<String>,
    /// How it stood.
    pub phase: Phase,
    /// Updates made.
    pub step: usize,
    /// Updates it makes at most.
    pub total: usize,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// When this was written.
    pub updated: u64,
    /// The process that computes it, or did.
    pub pid: u32,
    /// Where that process can be reached.
    pub socket: Option<PathBuf>,
    /// Where its files go, or went.
    pub out: Option<PathBuf>,
    /// The last value of each curve.
    pub figures: Vec<(String, f64)>,
}

/// How a run stands now, as far as can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A process computes it.
    Running,
    /// A process holds it.
    Paused,
    /// It did all it had to do.
    Finished,
    /// It was ended before; it can be resumed.
    Stopped,
    /// It failed; its last good state is there.
    Failed,
    /// Its process was killed; it can be resumed.
    Broken,
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Broken => "broken",
        })
    }
}

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// The folder.
    pub path: PathBuf,
    /// What is known of it.
    pub about: About,
}

impl RunFolder {
    /// Its checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// Whether a process is at it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        Lock::is_held(&self.path)
    }

    /// How it stands now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let alive = self.is_held();
        match self.about.phase {
            Phase::Finished => Standing::Finished,
            Phase::Failed => Standing::Failed,
            Phase::Stopped => Standing::Stopped,
            Phase::Paused if alive => Standing::Paused,
            _ if alive => Standing::Running,
            _ => Standing::Broken,
        }
    }
}

/// Seconds since 1970.
pub(in crate::engine) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// A new folder for a run of `technique` under `root`, private to this person.
pub(in crate::engine) fn create(root: &Path, technique: &str) -> Result<(String, PathBuf)> {
    // Without those that look like others.
    const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let failed = |path: &Path, source| Error::Output { path: path.to_owned(), source };
    private_folder(root).map_err(|e| failed(root, e))?;
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let mut seed = nanos ^ u64::from(std::process::id()).rotate_left(40);
    loop {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word: String = (0..4).map(|i| char::from(SIGNS[(seed >> (30 + 5 * i)) as usize % 32])).collect();
        let id = format!("{technique}-{word}");
        let path = root.join(&id);
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok((id, path)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed(&path, e)),
        }
    }
}

/// Makes a folder that only this person can enter, if it is not there.
///
/// # Errors
/// If it cannot be made.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes what is known of a run.
pub(in crate::engine) fn note(folder: &Path, about: &About) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(about)
        .map_err(|e| Error::Output { path: folder.to_owned(), source: std::io::Error::other(e) })?;
    write_private(&folder.join("about.json"), &bytes)
}

/// Every run under `root`, the newest first. Folders that hold nothing readable are left out.
#[must_use]
pub fn runs(root: &Path) -> Vec<RunFolder> {
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let read = |path: PathBuf| {
        let text = std::fs::read(path.join("about.json")).ok().filter(|t| t.len() < 1 << 20)?;
        Some(RunFolder { about: serde_json::from_slice(&text).ok()?, path })
    };
    let mut all: Vec<RunFolder> = folders.filter_map(read).collect();
    all.sort_by(|a, b| (b.about.updated, &b.about.id).cmp(&(a.about.updated, &a.about.id)));
    all
}

/// The run that `name` means: its id, the beginning or end of one, or the folder its files go to; the newest for none.
///
/// # Errors
/// [`Error::Unknown`] if there is no such run, [`Error::BadValue`] if there are several.
pub fn find_run(root: &Path, name: Option<&str>) -> Result<RunFolder> {
    let mut all = runs(root);
    let Some(name) = name else {
        return (!all.is_empty())
            .then(|| all.swap_remove(0))
            .ok_or_else(|| Error::unknown("run", "", "one is kept once it has taken a few seconds"));
    };
    if let Some(at) = all.iter().position(|run| run.about.id == name) {
        return Ok(all.swap_remove(at));
    }
    if let Ok(folder) = std::fs::canonicalize(name) {
        let goes_there = |run: &RunFolder| run.about.out.as_ref().and_then(|out| std::fs::canonicalize(out).ok());
        if let Some(at) = all.iter().position(|run| goes_there(run).as_deref() == Some(&folder)) {
            return Ok(all.swap_remove(at));
        }
    }
    let means =
        |run: &&RunFolder| !name.is_empty() && (run.about.id.starts_with(name) || run.about.id.ends_with(name));
    let meant: Vec<&RunFolder> = all.iter().filter(means).collect();
    match meant.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let near = did_you_mean(name, all.iter().map(|run| run.about.id.as_str()));
            Err(Error::unknown("run", name, format!("{near} `gradlens runs` lists them").trim_start()))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|run| run.about.id.as_str()).take(5).collect();
            Err(Error::bad_value("RUN", name, format!("it could be {}", ids.join(", "))))
        }
    }
}

/// Removes the folders of the oldest runs that have finished or failed, so that there are not ever more of them.
pub(in crate::engine) fn prune(root: &Path) {
    let ended = runs(root).into_iter().filter(|run| matches!(run.about.phase, Phase::Finished | Phase::Failed));
    for run in ended.skip(KEPT).filter(|run| !Lock::is_held(&run.path)) {
        let _ = std::fs::remove_dir_all(&run.path);
    }
}

/// The right to write a run's folder; held by one process at a time and given up when that ends, however it ends.
#[derive(Debug)]
pub(in crate::engine) struct Lock(#[expect(dead_code, reason = "the lock is the file's")] File);

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Error::BadValue`] if another process has it.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("lock");
        let failed = |source| Error::Output { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                Err(Error::bad_value("run", name, "a process is still at it; `gradlens attach` shows it"))
            }
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    fn is_held(folder: &Path) -> bool {
        let file = File::options().write(true).open(folder.join("lock"));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_by_parts_of_their_names() {
        let root = tempfile::tempdir().expect("a folder");
        let mut ids = vec![];
        for (n, technique) in ["pgd", "deepdream"].into_iter().enumerate() {
            let (id, path) = create(root.path(), technique).expect("a folder");
            let about = About {
                id: id.clone(),
                technique: technique.into(),
                picture: None,
                phase: Phase::Running,
                step: 0,
                total: 1,
                started: 0,
                updated: n as u64,
                pid: 1,
                socket: None,
                out: None,
                figures: vec![],
            };
            note(&path, &about).expect("noted");
            ids.push(id);
        }
        assert_eq!(find_run(root.path(), None).expect("the newest").about.id, ids[1]);
        assert_eq!(find_run(root.path(), Some("pgd")).expect("one").about.id, ids[0]);
        assert_eq!(find_run(root.path(), Some(&ids[1][10..])).expect("one").about.id, ids[1]);
        // No name ends like that by chance: they end in hexadecimal digits.
        assert!(find_run(root.path(), Some("deep")).is_ok() && find_run(root.path(), Some("fgsm")).is_err());
        let run = find_run(root.path(), Some("pgd")).expect("one");
        assert_eq!(run.standing(), Standing::Broken, "nobody holds its lock");
        let lock = Lock::take(&run.path).expect("a lock");
        assert!(run.standing() == Standing::Running && Lock::take(&run.path).is_err());
        drop(lock);
        assert_eq!(run.standing(), Standing::Broken);
        std::fs::write(run.path.join("about.json"), b"{").expect("damaged");
        assert_eq!(runs(root.path()).len(), 1, "what cannot be read is left out");
    }
}
