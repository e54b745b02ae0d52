//! `gradlens engine`: what computes behind a dashboard, and outlives it.

use super::args::EngineArgs;
use super::exit;
use super::logging;
use super::resolve;
use super::service;
use crate::engine::host::{Watchers, is_done, open_door, serve};
use crate::engine::{Command, Engine, Event, Options, Update};
use crate::imaging::Display;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How long an engine waits for a watcher when it has nothing left to do.
const GRACE: Duration = Duration::from_millis(1500);

pub(super) fn engine(args: &EngineArgs) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.stdio {
        return runtime.block_on(pass_on(args));
    }
    service::stand_alone();
    logging::start();
    runtime.block_on(compute(args))
}

/// Computes until nobody watches and nothing is left to do, or until it is told to end.
async fn compute(args: &EngineArgs) -> anyhow::Result<u8> {
    let sockets = service::sockets_folder();
    let keeping = Some(service::keeping(false));
    let engine = Arc::new(Engine::start(Options { keeping, ..resolve::options(&args.how) })?);
    let watchers = Arc::new(Watchers::default());
    // Without a door the engine serves the one it was started by, and ends with it.
    let door = open_door(&sockets, &engine, &watchers).inspect_err(|error| tracing::warn!(%error, "no socket"));
    let mut link = engine.link();
    // SAFETY: the standard input of this process is nobody else's; it is the socket it was started with.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(libc::STDIN_FILENO) });
    stream.set_nonblocking(true)?;
    let stream = tokio::net::UnixStream::from_std(stream)?;
    let (first, own) = (engine.clone(), watchers.clone());
    tokio::spawn(async move { serve(stream, &first, &own).await });
    let mut idle = tokio::time::interval(GRACE);
    idle.tick().await;
    let mut unseen = false;
    loop {
        tokio::select! {
            update = link.next() => match update {
                None => break,
                Some(Update::Event(event)) => match *event {
                    Event::Interrupted { .. } => {
                        // The run has been kept; there is nothing to wait for.
                        link.send(Command::Shutdown)?;
                    }
                    Event::Finished { .. } if watchers.count() == 0 => {
                        // Nobody saw the end, so it is written down.
                        link.send(Command::Save { folder: None, display: Display::default(), record: false })?;
                    }
                    _ => {}
                },
                Some(Update::Snapshot) => {}
            },
            () = watchers.change() => {
                if watchers.count() == 0 && door.is_err() {
                    link.send(Command::Shutdown)?;
                }
                idle.reset();
            }
            _ = idle.tick() => {
                let done = watchers.count() == 0 && is_done(&link.snapshot());
                if done && std::mem::replace(&mut unseen, true) {
                    link.send(Command::Shutdown)?;
                }
                unseen = done;
            }
        }
    }
    drop(door);
    Ok(exit::DONE)
}

/// Joins standard input and output to an engine of this machine: how `gradlens ssh` reaches it.
async fn pass_on(args: &EngineArgs) -> anyhow::Result<u8> {
    let door = match (&args.door, &args.run) {
        (None, Some(run)) => Some(service::socket_of(&service::going_on(run.as_deref())?)?),
        (door, _) => door.clone(),
    };
    let stream = match door {
        Some(door) => tokio::net::UnixStream::connect(door).await?,
        None => tokio::net::UnixStream::from_std(service::start(&args.how)?)?,
    };
    let (mut from, mut to) = stream.into_split();
    let (mut input, mut output) = (tokio::io::stdin(), tokio::io::stdout());
    let up = async {
        let _ = tokio::io::copy(&mut input, &mut to).await;
        let _ = to.shutdown().await;
    };
    let down = async {
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            use tokio::io::AsyncReadExt;
            let count = from.read(&mut buffer).await.unwrap_or(0);
            if count == 0 || output.write_all(&buffer[..count]).await.is_err() || output.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
    // A read of standard input that waits for ever must not hold the process.
    std::process::exit(i32::from(exit::DONE));
}
