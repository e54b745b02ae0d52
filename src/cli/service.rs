//! Engines in processes of their own: where they are, how they are started and reached.

use super::args::WhereArgs;
use super::logging::state_folder;
use crate::engine::host::socket_in;
use crate::engine::remote::{Again, Connection, watch};
use crate::engine::{Keeping, Link, RunFolder, Standing, find_run, runs as all_runs};
use crate::error::{Error, Result};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A socket's path may not be longer on some systems.
const LONGEST_SOCKET: usize = 100;

/// The folder of all runs.
pub(super) fn runs_folder() -> PathBuf {
    state_folder().unwrap_or_else(|| std::env::temp_dir().join("gradlens")).join("kept")
}

/// The private folder of the sockets.
pub(super) fn sockets_folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = match runtime.filter(|path| path.is_dir()) {
        Some(runtime) => runtime.join("gradlens"),
        None => state_folder().unwrap_or_else(std::env::temp_dir).join("sockets"),
    };
    if folder.as_os_str().len() < LONGEST_SOCKET {
        return folder;
    }
    // SAFETY: asks for a number.
    let user = unsafe { libc::geteuid() };
    std::env::temp_dir().join(format!("gradlens-{user}"))
}

/// The run that is meant, which a process is at; without a name the newest of them.
///
/// # Errors
/// If there is no such run, or no process is at it.
pub(super) fn going_on(name: Option<&str>) -> Result<RunFolder> {
    let root = runs_folder();
    let is_going_on = |run: &RunFolder| matches!(run.standing(), Standing::Running | Standing::Paused);
    let run = match name {
        Some(_) => find_run(&root, name)?,
        None => {
            let newest = all_runs(&root).into_iter().find(is_going_on);
            newest.ok_or_else(|| Error::unknown("run that goes on", "", "`gradlens runs` lists those there were"))?
        }
    };
    if !is_going_on(&run) {
        let reason = format!("it is {}; `gradlens resume {}` takes it up", run.standing(), run.about.id);
        return Err(Error::bad_value("RUN", &run.about.id, reason));
    }
    Ok(run)
}

/// Where the run's process can be reached.
///
/// # Errors
/// If it cannot.
pub(super) fn socket_of(run: &RunFolder) -> Result<PathBuf> {
    let reason = "its process cannot be reached: it had no folder for a socket";
    run.about.socket.clone().ok_or_else(|| Error::bad_value("RUN", &run.about.id, reason))
}

/// How runs are kept; `early` from their first update on.
pub(super) fn keeping(early: bool) -> Keeping {
    let socket = Some(socket_in(&sockets_folder()));
    let seconds = std::env::var("GRADLENS_KEEP_EVERY").ok().and_then(|text| text.parse::<f64>().ok());
    let every = seconds.filter(|s| (0.01..=3600.0).contains(s)).unwrap_or(5.0);
    Keeping { root: runs_folder(), socket, every: Duration::from_secs_f64(every), early }
}

/// Makes this process one that no terminal ends: a session of its own, deaf to hang-ups.
pub(super) fn stand_alone() {
    // SAFETY: no memory is touched; failing to become a session's leader means being one already.
    unsafe {
        libc::setsid();
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// Starts an engine in a process of its own; this is a connection to it.
///
/// # Errors
/// If the program cannot be started once more.
pub(super) fn start(how: &WhereArgs) -> std::io::Result<UnixStream> {
    let (own, theirs) = UnixStream::pair()?;
    let mut engine = Command::new(std::env::current_exe()?);
    engine.arg("engine");
    if let Some(device) = &how.device {
        engine.args(["--device", device]);
    }
    if let Some(threads) = how.threads {
        engine.args(["--threads", &threads.to_string()]);
    }
    engine.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
    engine.spawn()?;
    own.set_nonblocking(true)?;
    Ok(own)
}

/// A link over a connection to an engine on this machine. If that ends, another one is started as `how` says.
pub(super) async fn link(stream: UnixStream, how: &WhereArgs) -> Result<Link> {
    watch(connection(stream)?, false, Some(another(how))).await
}

/// A link to the engine behind a socket. If that ends, another one is started as `how` says.
pub(super) async fn join(socket: &Path, how: &WhereArgs) -> Result<Link> {
    watch(reach(socket).await?, false, Some(another(how))).await
}

/// A link to the engine behind a socket, for as long as that is there.
pub(super) async fn knock(socket: &Path) -> Result<Link> {
    watch(reach(socket).await?, false, None).await
}

async fn reach(socket: &Path) -> Result<Connection> {
    let stream = tokio::net::UnixStream::connect(socket).await;
    let stream = stream.map_err(|e| Error::Peer(format!("cannot be reached at {}: {e}", socket.display())))?;
    Ok(Box::new(stream))
}

fn connection(stream: UnixStream) -> Result<Connection> {
    let stream = tokio::net::UnixStream::from_std(stream);
    Ok(Box::new(stream.map_err(|e| Error::Peer(format!("cannot be reached: {e}")))?))
}

/// What follows an engine that has ended.
fn another(how: &WhereArgs) -> Again {
    let how = how.clone();
    Again::Here(Box::new(move |_| {
        let stream = start(&how).map_err(|e| Error::Peer(format!("cannot be started: {e}")));
        Box::pin(std::future::ready(stream.and_then(connection)))
    }))
}
