//! Keeping the present run on the disk, beside its computing.

use super::checkpoint::{self, FrameLog, Saved};
use super::registry::{self, About, Lock};
use crate::engine::protocol::{Event, Phase};
use crate::engine::run::Run;
use crate::error::{Error, Result};
use crate::imaging::Picture;
use crate::techniques::State;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Pictures in a log beyond twice those of the history before it is written anew.
const SLACK: usize = 64;

/// Where runs are kept, and how the process that computes them can be reached.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// The folder of all runs.
    pub root: PathBuf,
    /// The socket of this process.
    pub socket: Option<PathBuf>,
    /// How often a run that is going on is kept.
    pub every: Duration,
    /// Whether it is kept from its first update on: nobody looks on.
    pub early: bool,
}

/// Keeps runs that take a while. What is to be written is handed to a thread; dropping the keeper waits for it.
pub(in crate::engine) struct Keeper {
    keeping: Keeping,
    events: UnboundedSender<Event>,
    present: Option<Present>,
    writer: Option<(Sender<Order>, JoinHandle<()>)>,
    /// The writer is at it.
    busy: Arc<AtomicBool>,
    /// Whether the person has been told that runs cannot be kept, since they last could.
    troubled: Arc<AtomicBool>,
    /// When a folder could not be made.
    failed: Option<Instant>,
}

struct Present {
    run: u64,
    id: String,
    folder: PathBuf,
    started: u64,
    last: Instant,
    /// The step of the last picture that was handed over, and how many there are in the log.
    logged: (Option<usize>, usize),
    lock: Arc<Lock>,
}

struct Order {
    folder: PathBuf,
    about: About,
    saved: Box<Saved>,
    state: Option<State>,
    first: Option<State>,
    pictures: Vec<(usize, Picture)>,
    /// The step of the last picture that was handed over before; none if these are all there are.
    after: Option<usize>,
    /// Held until this is written.
    _lock: Arc<Lock>,
}

/// A run as it was kept, to go on from.
pub(in crate::engine) struct Resumable {
    pub saved: Saved,
    pub state: Option<State>,
    pub first: Option<State>,
    pub pictures: Vec<(usize, Picture)>,
    pub lock: Lock,
}

/// Takes up the run in `folder`, which no other process may be at.
pub(in crate::engine) fn take_up(folder: &Path) -> Result<Resumable> {
    let lock = Lock::take(folder)?;
    let (saved, state) = checkpoint::read(&folder.join("checkpoint"))?;
    let first = checkpoint::read(&folder.join("beginning")).ok().and_then(|(_, state)| state);
    let pictures = FrameLog::read(&folder.join("pictures"));
    Ok(Resumable { saved, state, first, pictures, lock })
}

impl Keeper {
    pub fn new(keeping: Keeping, events: UnboundedSender<Event>) -> Self {
        registry::prune(&keeping.root);
        Self {
            keeping,
            events,
            present: None,
            writer: None,
            busy: Arc::default(),
            troubled: Arc::default(),
            failed: None,
        }
    }

    /// Goes on with the folder of a run that was taken up.
    pub fn adopt(&mut self, run: &Run, folder: &Path, kept_at: usize, lock: Lock) {
        let id = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let log = FrameLog::open(&folder.join("pictures"), Some(kept_at));
        let logged = log.map_or((None, 0), |log| (log.last(), log.len()));
        let last = Instant::now();
        let lock = Arc::new(lock);
        let folder = folder.to_owned();
        self.present = Some(Present { run: run.id, id, folder, started: registry::now(), last, logged, lock });
    }

    /// The name of the run that is kept.
    pub fn id(&self, run: u64) -> Option<&str> {
        self.present.as_ref().filter(|p| p.run == run).map(|p| p.id.as_str())
    }

    /// Keeps a run if that is due, or at once. A run that has no folder yet gets one once it has taken a while or is
    /// left before its end.
    pub fn keep(&mut self, run: &Run, now: bool) {
        let known = self.present.as_ref().is_some_and(|p| p.run == run.id);
        let lasting = run.course.total > 1 && run.course.step > 0;
        let due = match &self.present {
            Some(present) if known => present.last.elapsed() >= self.keeping.every,
            _ => self.keeping.early || run.wall_seconds() >= self.keeping.every.as_secs_f64(),
        };
        let left = now && matches!(run.course.phase, Phase::Paused | Phase::Stopped | Phase::Running);
        let rests = self.failed.is_some_and(|at| at.elapsed() < self.keeping.every);
        let wanted = if known { now || due } else { lasting && (left || (due && !rests)) };
        if !wanted || (!now && self.busy.load(Ordering::Acquire)) {
            return;
        }
        match self.hand_over(run) {
            Ok(()) => self.failed = None,
            Err(error) => {
                self.failed = Some(Instant::now());
                warn(&self.events, &self.troubled, &self.keeping.root, error);
            }
        }
    }

    fn hand_over(&mut self, run: &Run) -> Result<()> {
        if self.present.as_ref().is_none_or(|p| p.run != run.id) {
            let (id, folder) = registry::create(&self.keeping.root, run.technique.id())?;
            let lock = Arc::new(Lock::take(&folder)?);
            let last = Instant::now();
            self.present =
                Some(Present { run: run.id, id, folder, started: registry::now(), last, logged: (None, 0), lock });
        }
        let (saved, state) = run.saved();
        let Some(present) = &mut self.present else { return Ok(()) };
        let anew = present.logged.1 > 2 * run.history.frames().len() + SLACK;
        let after = present.logged.0.filter(|_| !anew);
        let fresh = run.history.frames().filter(|frame| after.is_none_or(|step| frame.step > step));
        let pictures: Vec<(usize, Picture)> = fresh.map(|frame| (frame.step, frame.picture.clone())).collect();
        let first = present.logged.0.is_none().then(|| run.history.state(0).map(|(_, s)| s.clone())).flatten();
        let count = if anew { 0 } else { present.logged.1 };
        present.logged = (pictures.last().map(|(step, _)| *step).or(present.logged.0), count + pictures.len());
        present.last = Instant::now();
        let about = About {
            id: present.id.clone(),
            technique: run.technique.id().to_owned(),
            picture: run.spec.picture.as_ref().map(crate::engine::protocol::Source::name),
            phase: run.course.phase,
            step: run.course.step,
            total: run.course.total,
            started: present.started,
            updated: registry::now(),
            pid: std::process::id(),
            socket: self.keeping.socket.clone(),
            // Whoever takes it up may be elsewhere.
            out: run.origin.job.delivery.as_ref().map(|d| std::path::absolute(&d.folder).unwrap_or(d.folder.clone())),
            figures: run.course.figures().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let (folder, lock) = (present.folder.clone(), present.lock.clone());
        let order = Order { folder, about, saved: Box::new(saved), state, first, pictures, after, _lock: lock };
        self.busy.store(true, Ordering::Release);
        if self.writer.is_none() {
            let (events, root) = (self.events.clone(), self.keeping.root.clone());
            self.writer = Some(writer(events, root, self.busy.clone(), self.troubled.clone())?);
        }
        if let Some((orders, _)) = &self.writer {
            let _ = orders.send(order);
        }
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((orders, thread)) = self.writer.take() {
            drop(orders);
            let _ = thread.join();
        }
    }
}

/// Says once what keeps runs from being kept, until they can be again.
fn warn(events: &UnboundedSender<Event>, troubled: &AtomicBool, root: &Path, error: Error) {
    tracing::warn!(%error, "keeping the run");
    if !troubled.swap(true, Ordering::AcqRel) {
        let reason = match error {
            Error::Output { source, .. } => source.to_string(),
            error => error.to_string(),
        };
        let message = Error::NotKept { folder: root.to_owned(), reason }.to_string();
        let _ = events.send(Event::Warned { message });
    }
}

fn writer(
    events: UnboundedSender<Event>,
    root: PathBuf,
    busy: Arc<AtomicBool>,
    troubled: Arc<AtomicBool>,
) -> Result<(Sender<Order>, JoinHandle<()>)> {
    let (orders, queue) = channel::<Order>();
    let thread = std::thread::Builder::new().name("gradlens-keeper".into()).spawn(move || {
        let mut open: Option<(PathBuf, FrameLog)> = None;
        for order in queue {
            match order.write(&mut open) {
                Ok(()) => troubled.store(false, Ordering::Release),
                Err(error) => warn(&events, &troubled, &root, error),
            }
            busy.store(false, Ordering::Release);
        }
    });
    let thread = thread.map_err(|e| candle_core::Error::Msg(format!("no thread for keeping runs: {e}")))?;
    Ok((orders, thread))
}

impl Order {
    /// `open` is the log of the order before, if that was whole. Where there is no room for pictures the run is kept without.
    fn write(self, open: &mut Option<(PathBuf, FrameLog)>) -> Result<()> {
        let path = self.folder.join("pictures");
        let trouble = match self.log(&path, open).map_err(|source| Error::Output { path: path.clone(), source }) {
            Ok(log) => match self.keep() {
                Ok(()) => {
                    *open = Some((self.folder.clone(), log));
                    return Ok(());
                }
                Err(trouble) => trouble,
            },
            Err(trouble) => trouble,
        };
        let _ = std::fs::remove_file(&path);
        tracing::warn!(%trouble, "the pictures on the way are not kept");
        self.keep()
    }

    /// The log with the new pictures.
    fn log(&self, path: &Path, open: &mut Option<(PathBuf, FrameLog)>) -> std::io::Result<FrameLog> {
        let mut log = match open.take().filter(|(folder, _)| *folder == self.folder && self.after.is_some()) {
            Some((_, log)) => log,
            // What a log has beyond what is known of is from a process that was killed.
            None => FrameLog::open(path, self.after)?,
        };
        self.pictures.iter().try_for_each(|(step, picture)| log.add(*step, picture))?;
        Ok(log)
    }

    /// The checkpoint, and what is known of the run.
    fn keep(&self) -> Result<()> {
        if let Some(first) = &self.first {
            checkpoint::write(&self.folder.join("beginning"), &self.saved, Some(first))?;
        }
        checkpoint::write(&self.folder.join("checkpoint"), &self.saved, self.state.as_ref())?;
        registry::note(&self.folder, &self.about)
    }
}
