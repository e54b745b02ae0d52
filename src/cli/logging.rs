//! Logging to a file, never to the screen.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// A log that has grown past this is started anew.
const LARGEST: u64 = 4 << 20;

/// The program's folder under XDG state: runs and the log.
pub(super) fn state_folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("gradlens"))
}

/// Writes the log to `gradlens.log` in the state folder; a machine where that cannot be written goes without one.
pub(super) fn start() {
    let Some(folder) = state_folder() else { return };
    let path = folder.join("gradlens.log");
    if std::fs::create_dir_all(&folder).is_err() {
        return;
    }
    let grown = std::fs::metadata(&path).is_ok_and(|m| m.len() > LARGEST);
    let Ok(file) = OpenOptions::new().create(true).append(!grown).write(true).truncate(grown).open(&path) else {
        return;
    };
    let filter = EnvFilter::try_from_env("GRADLENS_LOG").unwrap_or_else(|_| EnvFilter::new("gradlens=info"));
    // A second call in one process keeps the first log.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file));
    // A full disk is no reason to write over the dashboard.
    let _ = log.log_internal_errors(false).try_init();
}
