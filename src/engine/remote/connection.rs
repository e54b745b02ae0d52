//! A watcher's end of an engine in another process, or on another machine.

use crate::engine::protocol::wire::{self, FROM_ENGINE, Frames, PROTOCOL, ToEngine, ToWatcher, Unpacker};
use crate::engine::protocol::{Command, Event, Link, Snapshot};
use crate::error::{Error, Result};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, WriteHalf};
use tokio::sync::{mpsc, watch};

/// How long an engine may take to answer.
const GREETING: Duration = Duration::from_secs(20);
/// How long to wait before a lost connection is tried again, and before another engine is started.
const AGAIN: Duration = Duration::from_secs(2);
const ANOTHER: Duration = Duration::from_millis(300);

/// Both directions of a connection.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A connection to an engine.
pub type Connection = Box<dyn ByteStream>;
/// Makes another connection after the first was lost, to the engine that can be found at this socket on its machine.
pub type Connector =
    Box<dyn FnMut(Option<PathBuf>) -> Pin<Box<dyn Future<Output = Result<Connection>> + Send>> + Send>;

/// What to do once the connection to an engine is lost.
pub enum Again {
    /// Take it up again: the engine is on another machine, where it goes on.
    There(Connector),
    /// Connect to another engine: the one on this machine has ended.
    Here(Connector),
}

impl Again {
    fn connector(&mut self) -> &mut Connector {
        match self {
            Self::There(connector) | Self::Here(connector) => connector,
        }
    }

    fn patience(&self) -> Duration {
        match self {
            Self::There(_) => AGAIN,
            Self::Here(_) => ANOTHER,
        }
    }

    fn lost(&self, error: &Error) -> String {
        match self {
            Self::There(_) => format!("the connection is lost ({error}); the run goes on over there; trying again"),
            Self::Here(_) => "the engine has ended: it was killed, or ran out of memory; starting another".to_owned(),
        }
    }

    fn back(&self) -> &'static str {
        match self {
            Self::There(_) => "connected again",
            Self::Here(_) => {
                "the engine was killed or ran out of memory; r runs it again, gradlens resume goes on where it was"
            }
        }
    }
}

/// A link over a connection. Where it may be lost, `again` takes it up: meanwhile events tell how that goes. Must be called
/// within a tokio runtime. `thin` says that the line is long.
///
/// # Errors
/// [`Error::Peer`] if the other end is no engine, or one of another version.
pub async fn watch(connection: Connection, thin: bool, again: Option<Again>) -> Result<Link> {
    let (commands, queue) = mpsc::unbounded_channel();
    let (events, event_queue) = mpsc::unbounded_channel();
    let (snapshots, newest) = watch::channel(Arc::new(Snapshot::default()));
    let (end, door) = greet(connection, thin).await?;
    let client = Client { queue, events, snapshots, thin, over: false };
    tokio::spawn(client.serve(end, again, door));
    Ok(Link::new(commands, event_queue, newest))
}

type Incoming = Frames<tokio::io::ReadHalf<Connection>>;
type End = (Incoming, WriteHalf<Connection>);

/// Says who this is and hears who that is.
async fn greet(connection: Connection, thin: bool) -> Result<(End, Option<PathBuf>)> {
    let (from, mut to) = tokio::io::split(connection);
    let mut frames = Frames::new(from, FROM_ENGINE);
    let hello = ToEngine::Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").into(), thin };
    wire::write(&mut to, &wire::frame(&hello, &[], false)?).await?;
    let answer = tokio::time::timeout(GREETING, frames.next()).await;
    let body = answer.unwrap_or(Ok(None))?;
    let body = body.ok_or_else(|| Error::Peer("does not answer; is gradlens installed there?".into()))?;
    match wire::parse::<ToWatcher>(&body, false)?.0 {
        ToWatcher::Hello { protocol: PROTOCOL, door, .. } => Ok(((frames, to), door)),
        ToWatcher::Hello { version, .. } => Err(Error::Peer(format!(
            "is gradlens {version}, this is {}, and they do not understand each other; install the same version on both \
             sides",
            env!("CARGO_PKG_VERSION")
        ))),
        _ => Err(Error::Peer("is no gradlens engine".into())),
    }
}

struct Client {
    queue: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<Event>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    thin: bool,
    /// The engine was told to end.
    over: bool,
}

impl Client {
    async fn serve(mut self, mut end: End, mut again: Option<Again>, door: Option<PathBuf>) {
        loop {
            let lost = match self.talk(end).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let Some(again) = again.as_mut().filter(|_| !self.over) else {
                tracing::warn!(%lost, "the engine is gone");
                return;
            };
            let say = |message: String| self.events.send(Event::Warned { message }).is_ok();
            if !say(again.lost(&lost)) {
                return;
            }
            end = loop {
                tokio::time::sleep(again.patience()).await;
                let connection = (again.connector())(door.clone()).await;
                let greeted = match connection {
                    Ok(connection) => greet(connection, self.thin).await,
                    Err(error) => Err(error),
                };
                match greeted {
                    Ok((end, _)) => break end,
                    Err(error) => {
                        if !say(format!("still no connection ({error}); trying again")) {
                            return;
                        }
                    }
                }
            };
            say(again.back().into());
        }
    }

    /// Passes on what is said until nobody listens here (`Ok`) or there.
    async fn talk(&mut self, (mut frames, mut to): End) -> Result<()> {
        let mut unpacker = Unpacker::default();
        let seen = wire::frame(&ToEngine::Seen, &[], self.thin)?;
        loop {
            tokio::select! {
                command = self.queue.recv() => {
                    let Some(command) = command else { return Ok(()) };
                    let leaves = command == Command::Shutdown;
                    let message = ToEngine::Command(Box::new(command));
                    wire::write(&mut to, &wire::frame(&message, &[], self.thin)?).await?;
                    if leaves {
                        return self.last_words(frames, unpacker).await;
                    }
                }
                body = frames.next() => {
                    let Some(body) = body? else { return Err(Error::Peer("is gone".into())) };
                    if self.hear(&body, &mut unpacker)? {
                        wire::write(&mut to, &seen).await?;
                    }
                }
            }
        }
    }

    /// What an engine says while it ends.
    async fn last_words(&mut self, mut frames: Incoming, mut unpacker: Unpacker) -> Result<()> {
        while let Ok(Some(body)) = frames.next().await {
            self.hear(&body, &mut unpacker)?;
        }
        Ok(())
    }

    /// Passes a message on; whether it was a snapshot.
    fn hear(&mut self, body: &[u8], unpacker: &mut Unpacker) -> Result<bool> {
        let (message, data) = wire::parse::<ToWatcher>(body, self.thin)?;
        match message {
            ToWatcher::Hello { .. } => Err(Error::Peer("says hello twice".into())),
            ToWatcher::Started { run, spec, params, model, info } => {
                let model = unpacker.model(model, info)?;
                let _ = self.events.send(Event::Started { run, spec, model, params });
                Ok(false)
            }
            ToWatcher::Event(event) => {
                self.over |= matches!(*event, Event::Interrupted { .. });
                let _ = self.events.send(*event);
                Ok(false)
            }
            ToWatcher::Snapshot { light, before, blobs, lengths } => {
                let snapshot = unpacker.unpack(*light, &before, &blobs, &lengths, data, self.thin)?;
                self.snapshots.send_replace(snapshot);
                Ok(true)
            }
        }
    }
}
