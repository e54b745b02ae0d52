//! The loop that moves things between terminal, engine and state.

use super::app::{App, RunSummary, Setup};
use super::terminal::{self, Taken};
use crate::engine::{Engine, Link, Update};
use crate::picture::{Meter, MeteredWriter, Pictures, Protocol, Terminal};
use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures_util::StreamExt;
use ratatui::backend::CrosstermBackend;
use std::io::{Stdout, Write, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(33);
/// How often the header's rates are looked at.
const TICK: Duration = Duration::from_millis(500);

type Screen = ratatui::Terminal<CrosstermBackend<MeteredWriter<Stdout>>>;

/// What is left when the dashboard is closed.
#[derive(Debug)]
pub struct Ending {
    /// The runs of the session.
    pub runs: Vec<RunSummary>,
    /// Whether the system ended it.
    pub interrupted: bool,
}

/// Shows the dashboard until the person leaves. Must be called within a tokio runtime; `forced` overrides what
/// the terminal says of its picture protocol.
///
/// # Errors
/// If the terminal cannot be taken or written to.
pub async fn run(engine: &Engine, setup: Setup, forced: Option<Protocol>) -> anyhow::Result<Ending> {
    let mut link = engine.link();
    let mut app = App::new(setup);
    // The engine loads and computes while the terminal is still being asked what it can do.
    send(&mut app, &link)?;
    terminal::restore_on_panic();
    let taken = Taken::take()?;
    let found = Terminal::detect(forced);
    let wake = Arc::new(Notify::new());
    let waker = wake.clone();
    let mut pictures = Pictures::new(found, move || waker.notify_one());
    let (writer, meter) = MeteredWriter::new(stdout());
    let screen = ratatui::Terminal::new(CrosstermBackend::new(writer))?;
    let mut session = Session { app, link: &mut link, screen, meter, wake, shape: None };
    let outcome = session.serve(&mut pictures).await;
    let gone = pictures.clear();
    let _ = stdout().write_all(gone.as_bytes());
    drop(taken);
    outcome?;
    Ok(Ending { runs: session.app.summaries().to_vec(), interrupted: session.app.was_interrupted() })
}

fn send(app: &mut App, link: &Link) -> anyhow::Result<()> {
    for command in app.take_commands() {
        link.send(command)?;
    }
    Ok(())
}

struct Session<'a> {
    app: App,
    link: &'a mut Link,
    screen: Screen,
    meter: Meter,
    wake: Arc<Notify>,
    /// What the last frame's layout depended on; where it changes, old pictures have to go.
    shape: Option<(bool, usize, ratatui::layout::Size)>,
}

impl Session<'_> {
    async fn serve(&mut self, pictures: &mut Pictures) -> anyhow::Result<()> {
        let mut input = EventStream::new();
        let mut tick = tokio::time::interval(TICK);
        let mut suspensions = Suspensions::new();
        let mut drawn = Instant::now().checked_sub(FRAME).unwrap_or_else(Instant::now);
        let mut stale = true;
        while !self.app.wants_to_quit() {
            if stale && drawn.elapsed() >= FRAME {
                self.draw(pictures)?;
                (stale, drawn) = (false, Instant::now());
            }
            let next_frame = if stale { Some(drawn + FRAME) } else { pictures.due() };
            tokio::select! {
                biased;
                event = input.next() => match event {
                    Some(Ok(event)) => {
                        self.on_input(&event);
                        // A key is answered by the next frame at once.
                        drawn = drawn.checked_sub(FRAME).unwrap_or(drawn);
                        stale = true;
                    }
                    // The terminal is gone.
                    Some(Err(_)) | None => return Ok(()),
                },
                update = self.link.next() => {
                    match update {
                        Some(Update::Event(event)) => self.app.on_event(*event),
                        Some(Update::Snapshot) => self.app.on_snapshot(self.link.snapshot()),
                        None => anyhow::bail!(crate::Error::EngineGone),
                    }
                    stale = true;
                }
                () = self.wake.notified() => stale = true,
                () = until(next_frame) => stale = true,
                () = suspensions.next() => self.app.apply(super::Action::Suspend),
                _ = tick.tick() => {
                    let rate = self.meter.rate();
                    self.app.set_line(pictures.protocol(), rate);
                    stale = true;
                }
            }
            send(&mut self.app, self.link)?;
            if self.app.take_suspend() {
                self.suspend(pictures)?;
                // The reader of the old stream may have swallowed what the shell was told.
                input = EventStream::new();
                stale = true;
            }
        }
        Ok(())
    }

    fn on_input(&mut self, event: &Input) {
        match event {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.app.on_key(key),
            Input::Paste(text) => {
                for c in text.chars().filter(|c| !c.is_control()) {
                    if self.app.has_dialog() {
                        self.app.on_key(&crossterm::event::KeyCode::Char(c).into());
                    }
                }
            }
            _ => {}
        }
    }

    fn draw(&mut self, pictures: &mut Pictures) -> anyhow::Result<()> {
        let shape = Some((self.app.has_dialog(), self.app.technique, self.screen.size()?));
        if shape != self.shape && self.shape.is_some() && !pictures.text_covers_pictures() {
            // Sixel and iTerm2 pictures are pixels on the screen: only clearing it removes them.
            self.clear()?;
        }
        self.shape = shape;
        self.screen.draw(|frame| super::draw(frame, &mut self.app, pictures))?;
        let gone = pictures.end_frame();
        if !gone.is_empty() {
            let backend = self.screen.backend_mut();
            backend.write_all(gone.as_bytes())?;
            Write::flush(backend)?;
        }
        Ok(())
    }

    /// To the shell, and back when the shell says so.
    fn suspend(&mut self, pictures: &mut Pictures) -> anyhow::Result<()> {
        let gone = pictures.clear();
        stdout().write_all(gone.as_bytes())?;
        terminal::give_back();
        #[cfg(unix)]
        // SAFETY: raising a signal has no memory effects; SIGSTOP cannot be caught, so it stops right here and
        // goes on when the shell continues the program.
        unsafe {
            libc::raise(libc::SIGSTOP);
        }
        // The session's own guard gives it back in the end.
        std::mem::forget(Taken::take()?);
        self.clear()
    }

    /// Clears the screen and draws every cell in the next frame. ratatui's own `clear` asks the terminal for its
    /// cursor, an answer that the reader of the keyboard would have to wait for.
    fn clear(&mut self) -> anyhow::Result<()> {
        let size = self.screen.size()?;
        Ok(self.screen.resize(ratatui::layout::Rect::from((ratatui::layout::Position::ORIGIN, size)))?)
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

/// SIGTSTP from outside, which must give the terminal back first.
struct Suspensions {
    #[cfg(unix)]
    stream: Option<tokio::signal::unix::Signal>,
}

impl Suspensions {
    #[cfg(unix)]
    fn new() -> Self {
        let kind = tokio::signal::unix::SignalKind::from_raw(libc::SIGTSTP);
        Self { stream: tokio::signal::unix::signal(kind).ok() }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(stream) = &mut self.stream {
            stream.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    }
}
