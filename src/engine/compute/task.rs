//! The async task between watchers and the computing thread.

use super::device::{computing_threads, device};
use super::options::Options;
use super::worker::Worker;
use crate::engine::protocol::{Command, Event, Link, Phase, Snapshot};
use crate::error::Result;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How often a long step's duration is updated for watchers.
const PULSE: Duration = Duration::from_millis(250);

/// How long an engine may take to end: a step, and a file of some megabytes.
const LAST: Duration = Duration::from_secs(30);

type Listeners = Arc<Mutex<Vec<mpsc::UnboundedSender<Event>>>>;

/// A running engine. Dropping it lets the present step end and then ends the computing thread.
pub struct Engine {
    commands: mpsc::UnboundedSender<Command>,
    listeners: Listeners,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    present: Arc<Mutex<Option<Event>>>,
    thread: std::thread::JoinHandle<()>,
}

impl Engine {
    /// Starts an engine; must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the device cannot be used, [`crate::Error::BadValue`] if there are not as many threads.
    pub fn start(options: Options) -> Result<Self> {
        let device = device(&options.device)?;
        // A second engine in one process keeps the first one's pool.
        options.threads.map_or(Ok(()), computing_threads)?;
        let (commands, command_queue) = mpsc::unbounded_channel();
        let (orders, order_queue) = std::sync::mpsc::channel();
        let (reports, report_queue) = mpsc::unbounded_channel();
        let (sender, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let sender = Arc::new(sender);
        let signals = options.signals;
        let worker = Worker::new(options, device, reports, sender.clone());
        let spawned = std::thread::Builder::new().name("gradlens-compute".into());
        let thread = spawned
            .spawn(move || worker.work(&order_queue))
            .map_err(|e| candle_core::Error::Msg(format!("the computing thread could not be started: {e}")))?;
        let listeners = Listeners::default();
        let present = Arc::default();
        let task = Service {
            commands: command_queue,
            orders,
            reports: report_queue,
            listeners: listeners.clone(),
            present: Arc::clone(&present),
        };
        tokio::spawn(task.serve(sender, signals));
        Ok(Self { commands, listeners, snapshots, present, thread })
    }

    /// A new watcher's link; it sees every event from now on.
    #[must_use]
    pub fn link(&self) -> Link {
        let (sender, events) = mpsc::unbounded_channel();
        lock(&self.listeners).push(sender);
        Link::new(self.commands.clone(), events, self.snapshots.clone())
    }

    /// Ends the engine and waits, though not for ever, until what is to be kept of its run is kept.
    pub async fn end(&self) {
        let _ = self.commands.send(Command::Shutdown);
        let began = Instant::now();
        while !self.thread.is_finished() && began.elapsed() < LAST {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// How the present run began, for a watcher that comes later.
    #[must_use]
    pub fn present(&self) -> Option<Event> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Service {
    commands: mpsc::UnboundedReceiver<Command>,
    orders: std::sync::mpsc::Sender<Command>,
    reports: mpsc::UnboundedReceiver<Event>,
    listeners: Listeners,
    present: Arc<Mutex<Option<Event>>>,
}

impl Service {
    async fn serve(mut self, snapshots: Arc<watch::Sender<Arc<Snapshot>>>, with_signals: bool) {
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut signals = Signals::new(with_signals);
        let mut newest = snapshots.subscribe();
        let mut since = Instant::now();
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    // Where the worker is gone, events still under way are passed on below.
                    Some(command) => drop(self.orders.send(command)),
                    None => return,
                },
                report = self.reports.recv() => match report {
                    Some(event) => self.tell(&event),
                    None => return,
                },
                signal = signals.next() => {
                    self.tell(&Event::Interrupted { signal: signal.to_owned() });
                    drop(self.orders.send(Command::Stop));
                }
                changed = newest.changed() => {
                    if changed.is_err() { return }
                    if newest.borrow_and_update().busy_ms == 0 { since = Instant::now(); }
                }
                _ = pulse.tick() => {
                    let busy = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let working = matches!(snapshots.borrow().course.phase, Phase::Loading | Phase::Running);
                    if working && busy >= 1000 {
                        snapshots.send_modify(|s| *s = Arc::new(Snapshot { busy_ms: busy, ..(**s).clone() }));
                    }
                }
            }
        }
    }

    fn tell(&self, event: &Event) {
        tracing::info!(?event, "event");
        if matches!(event, Event::Started { .. }) {
            *self.present.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.clone());
        }
        lock(&self.listeners).retain(|listener| listener.send(event.clone()).is_ok());
    }
}

fn lock(listeners: &Listeners) -> std::sync::MutexGuard<'_, Vec<mpsc::UnboundedSender<Event>>> {
    // A list of senders is whole whatever happened to the thread that held it.
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The signals that ask a program to end.
struct Signals {
    #[cfg(unix)]
    streams: Option<[(&'static str, tokio::signal::unix::Signal); 2]>,
}

impl Signals {
    #[cfg(unix)]
    fn new(wanted: bool) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let open = || -> std::io::Result<_> {
            Ok([("SIGINT", signal(SignalKind::interrupt())?), ("SIGTERM", signal(SignalKind::terminate())?)])
        };
        Self { streams: if wanted { open().ok() } else { None } }
    }

    #[cfg(not(unix))]
    fn new(_wanted: bool) -> Self {
        Self {}
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        match &mut self.streams {
            Some([(int, a), (term, b)]) => tokio::select! {
                _ = a.recv() => int,
                _ = b.recv() => term,
            },
            None => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        std::future::pending().await
    }
}
