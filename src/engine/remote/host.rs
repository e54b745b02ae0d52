//! An engine that can be reached: over the socket that the program was started with, and over one in a private folder.

use crate::engine::compute::Engine;
use crate::engine::protocol::wire::{self, FROM_WATCHER, Frames, PROTOCOL, Packer, ToEngine, ToWatcher};
use crate::engine::protocol::{Command, Phase, Snapshot, Update};
use crate::engine::store::registry::private_folder;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::Notify;

/// A watcher that says nothing for so long at its beginning is none.
const GREETING: Duration = Duration::from_secs(10);
/// Commands a second that one watcher may give.
const COMMANDS: u32 = 200;
/// Events that may wait for a watcher that does not read.
const WAITING: usize = 10_000;
/// Watchers at once.
const WATCHERS: usize = 32;

/// The watchers of an engine.
#[derive(Debug, Default)]
pub struct Watchers {
    door: OnceLock<PathBuf>,
    count: AtomicUsize,
    /// Those that said who they are: another engine that looks which sockets are alive, say, never does.
    greeted: AtomicUsize,
    changed: Notify,
}

impl Watchers {
    /// How many there are, also of those that have said nothing yet.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until one comes or goes.
    pub async fn change(&self) {
        self.changed.notified().await;
    }
}

struct Watching(Arc<Watchers>);

impl Watching {
    fn begin(watchers: &Arc<Watchers>) -> Option<Self> {
        let before = watchers.count.fetch_add(1, Ordering::SeqCst);
        let watching = Self(watchers.clone());
        (before < WATCHERS).then_some(watching)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

/// A watcher that said who it is.
struct Greeted<'a>(&'a Watchers);

impl<'a> Greeted<'a> {
    fn begin(watchers: &'a Watchers) -> Self {
        watchers.greeted.fetch_add(1, Ordering::SeqCst);
        Self(watchers)
    }
}

impl Drop for Greeted<'_> {
    fn drop(&mut self) {
        self.0.greeted.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A socket in a private folder, removed when this is dropped.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The socket of this process in a folder.
#[must_use]
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join(format!("{}.sock", std::process::id()))
}

/// Lets watchers in at a socket in `folder`, which only this person can enter, for as long as the door lasts.
///
/// # Errors
/// If the socket cannot be made.
pub fn open_door(folder: &Path, engine: &Arc<Engine>, watchers: &Arc<Watchers>) -> Result<Door> {
    let failed = |source| Error::Output { path: folder.to_owned(), source };
    private_folder(folder).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let meta = std::fs::metadata(folder).map_err(failed)?;
        // SAFETY: asks for a number.
        let own = unsafe { libc::geteuid() };
        if meta.uid() != own || meta.permissions().mode() & 0o077 != 0 {
            let source = std::io::Error::other("others can enter this folder; make it yours alone (chmod 700)");
            return Err(failed(source));
        }
    }
    let path = socket_in(folder);
    sweep(folder, &path);
    let listener = UnixListener::bind(&path).map_err(failed)?;
    let _ = watchers.door.set(path.clone());
    let (engine, watchers) = (engine.clone(), watchers.clone());
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            // SAFETY: asks for a number.
            let own = unsafe { libc::geteuid() };
            if stream.peer_cred().map_or(true, |peer| peer.uid() != own) {
                tracing::warn!("another person's process knocked and was not let in");
                continue;
            }
            let (engine, watchers) = (engine.clone(), watchers.clone());
            tokio::spawn(async move { serve(stream, &engine, &watchers).await });
        }
    });
    Ok(Door { path })
}

/// Whether the process that a socket is named after has ended.
fn is_gone(path: &Path) -> bool {
    let process = path.file_stem().and_then(|name| name.to_str()?.parse::<i32>().ok()).filter(|id| *id > 0);
    // SAFETY: signal 0 only asks whether there is such a process.
    process.is_none_or(|id| unsafe { libc::kill(id, 0) } != 0)
}

/// Removes the sockets of processes that were killed, and one that is in the way. One that refuses may be new: its process
/// does not listen yet.
fn sweep(folder: &Path, own: &Path) {
    let paths = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in paths.filter(|path| path.extension().is_some_and(|e| e == "sock")) {
        let refused = |e: std::io::Error| e.kind() == std::io::ErrorKind::ConnectionRefused;
        if path == own || (is_gone(&path) && std::os::unix::net::UnixStream::connect(&path).is_err_and(refused)) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Serves one watcher until it goes.
pub async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, engine: &Engine, watchers: &Arc<Watchers>) {
    let Some(_watching) = Watching::begin(watchers) else { return };
    if let Err(error) = talk(stream, engine, watchers).await {
        tracing::info!(%error, "a watcher went");
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, engine: &Engine, watchers: &Watchers) -> Result<()> {
    let (from, mut to) = tokio::io::split(stream);
    let mut incoming = Frames::new(from, FROM_WATCHER);
    let greeting = tokio::time::timeout(GREETING, incoming.next()).await;
    let Ok(Some(body)) = greeting.unwrap_or(Ok(None)) else { return Ok(()) };
    let (hello, _) = wire::parse::<ToEngine>(&body, false)?;
    let ToEngine::Hello { protocol, thin, .. } = hello else {
        return Err(Error::Peer("did not say who it is".into()));
    };
    let door = watchers.door.get().cloned();
    let own = ToWatcher::Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").into(), door };
    wire::write(&mut to, &wire::frame(&own, &[], false)?).await?;
    if protocol != PROTOCOL {
        return Ok(());
    }
    let _greeted = Greeted::begin(watchers);
    let mut link = engine.link();
    let mut packer = Packer::default();
    if let Some(started) = engine.present() {
        wire::write(&mut to, &packer.event(started, thin)?).await?;
    }
    // What the run is now, and then whatever is newer once the watcher has seen the last.
    let mut may_send = true;
    let mut newer = true;
    let (mut second, mut given) = (Instant::now(), 0);
    loop {
        if may_send && newer {
            let snapshot: Arc<Snapshot> = link.snapshot();
            wire::write(&mut to, &packer.pack(&snapshot, thin)?).await?;
            (may_send, newer) = (false, false);
        }
        tokio::select! {
            body = incoming.next() => {
                let Some(body) = body? else { return Ok(()) };
                match wire::parse::<ToEngine>(&body, thin)?.0 {
                    ToEngine::Command(command) => {
                        given += 1;
                        if given >= COMMANDS {
                            tokio::time::sleep(Duration::from_secs(1).saturating_sub(second.elapsed())).await;
                            (second, given) = (Instant::now(), 0);
                        }
                        if *command == Command::Shutdown && watchers.greeted.load(Ordering::SeqCst) > 1 {
                            // Who leaves does not take the run from those who stay.
                            return Ok(());
                        }
                        link.send(*command)?;
                    }
                    ToEngine::Seen => may_send = true,
                    ToEngine::Hello { .. } => return Err(Error::Peer("says hello twice".into())),
                }
            }
            update = link.next() => match update {
                None => return Ok(()),
                Some(Update::Snapshot) => newer = true,
                Some(Update::Event(event)) => {
                    if link.waiting() > WAITING {
                        return Err(Error::Peer("does not read what it is told".into()));
                    }
                    wire::write(&mut to, &packer.event(*event, thin)?).await?;
                }
            },
        }
    }
}

/// Whether an engine that nobody watches has nothing left to do.
#[must_use]
pub fn is_done(snapshot: &Snapshot) -> bool {
    !matches!(snapshot.course.phase, Phase::Running | Phase::Loading)
}
