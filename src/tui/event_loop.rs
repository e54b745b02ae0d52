//! The loop that moves things between terminal, engine and state.

use super::action::Action;
use super::app::{App, Leaving, RunSummary, Setup};
use super::panes::draw;
use super::terminal_guard::{self, TerminalGuard};
use crate::engine::{Command, Event, Link, Phase, Update};
use crate::picture::{
    Detected, FrameBuffer, Meter, Pictures, Protocol, Reader, Terminal, Token, Writer, detect, window_cell,
};
use crossterm::event::{Event as Input, KeyEventKind};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect, Size};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(33);
/// How often the header's rates are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How long an engine may take to end: a step, and what is to be kept.
const FAREWELL: Duration = Duration::from_secs(5);
/// The prompt is back by then.
const DETACHED: Duration = Duration::from_millis(800);
/// Around a frame, so that the terminal shows it at once (mode 2026).
const HOLD: &[u8] = b"\x1b[?2026h";
const SHOW: &[u8] = b"\x1b[?2026l";

type Screen = ratatui::Terminal<CrosstermBackend<FrameBuffer>>;

/// What is left when the dashboard is closed.
#[derive(Debug)]
pub struct SessionEnd {
    /// The runs of the session.
    pub runs: Vec<RunSummary>,
    /// Whether the system ended it.
    pub interrupted: bool,
    /// Whether a run was left to itself, and its name, if it has one by now.
    pub left: Option<Option<String>>,
}

/// Shows the dashboard until the person leaves. Must be called within a tokio runtime; `forced` overrides what
/// the terminal says of its picture protocol.
///
/// # Errors
/// If the terminal cannot be taken or written to.
pub async fn run(mut link: Link, setup: Setup, forced: Option<Protocol>) -> anyhow::Result<SessionEnd> {
    let bandwidth = setup.bandwidth;
    let mut app = App::new(setup);
    // The engine loads and computes while the terminal is still being asked what it can do.
    send(&mut app, &link)?;
    terminal_guard::restore_on_panic();
    let taken = TerminalGuard::take()?;
    let Detected { terminal: found, splitter, typed } = detect(forced);
    let wake = Arc::new(Notify::new());
    let waker = || {
        let wake = wake.clone();
        move || wake.notify_one()
    };
    let writer = Arc::new(Writer::start(terminal_guard::output()?, found.answers.status, waker())?);
    let answered = writer.clone();
    let input = Reader::start(splitter, typed, move || answered.answered())?;
    let mut pictures = Pictures::new(found.clone(), writer.clone(), waker());
    pictures.set_bandwidth(bandwidth);
    let frame = FrameBuffer::default();
    let screen = ratatui::Terminal::new(CrosstermBackend::new(frame.clone()))?;
    let event_loop = EventLoop {
        app,
        link: &mut link,
        screen,
        frame,
        writer: writer.clone(),
        meter: Meter::default(),
        wake,
        first: found.questions().to_vec(),
        found,
        size: None,
    };
    let (mut app, outcome) = event_loop.serve(&mut pictures, input).await;
    writer.hold(&pictures.clear());
    drop(taken);
    outcome?;
    let left = part(&mut app, &mut link).await;
    Ok(SessionEnd { runs: app.summaries().to_vec(), interrupted: app.was_interrupted(), left })
}

/// Takes leave of the engine: it ends, or goes on with its run and says under which name.
async fn part(app: &mut App, link: &mut Link) -> Option<Option<String>> {
    let quits = match app.leaving() {
        Some(Leaving::Quit) => true,
        Some(Leaving::Detach) => false,
        _ => return None,
    };
    if link.send(if quits { Command::Shutdown } else { Command::Keep }).is_err() {
        return None;
    }
    let mut name = None;
    let hear = async {
        loop {
            match link.next().await {
                Some(Update::Event(event)) => match *event {
                    Event::Kept { name: kept } if !quits => {
                        name = kept;
                        return;
                    }
                    event => app.on_event(event),
                },
                Some(Update::Snapshot) => app.on_snapshot(link.snapshot()),
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(if quits { FAREWELL } else { DETACHED }, hear).await;
    (!quits).then_some(name)
}

fn send(app: &mut App, link: &Link) -> anyhow::Result<()> {
    for command in app.take_commands() {
        link.send(command)?;
    }
    Ok(())
}

struct EventLoop<'a> {
    app: App,
    link: &'a mut Link,
    screen: Screen,
    frame: FrameBuffer,
    writer: Arc<Writer>,
    meter: Meter,
    wake: Arc<Notify>,
    /// The terminal, as far as it is known.
    found: Terminal,
    /// What goes out before the next frame.
    first: Vec<u8>,
    size: Option<Size>,
}

impl EventLoop<'_> {
    async fn serve(mut self, pictures: &mut Pictures, mut input: Reader) -> (App, anyhow::Result<()>) {
        let outcome = self.serve_until_quit(pictures, &mut input).await;
        (self.app, outcome)
    }

    async fn serve_until_quit(&mut self, pictures: &mut Pictures, input: &mut Reader) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(TICK);
        let mut resized = signal(SignalKind::window_change())?;
        let mut suspensions = signal(SignalKind::from_raw(libc::SIGTSTP))?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut drawn = Instant::now().checked_sub(FRAME).unwrap_or_else(Instant::now);
        // A key is answered at once, anything else when the line has room.
        let (mut stale, mut urgent) = (true, true);
        while !self.app.wants_to_quit() {
            let room = urgent || self.writer.has_room();
            if stale && room && (urgent || drawn.elapsed() >= FRAME) {
                self.draw(pictures)?;
                (stale, urgent, drawn) = (false, false, Instant::now());
            }
            let next_frame = if !stale {
                pictures.due()
            } else if room {
                Some(drawn + FRAME)
            } else {
                None
            };
            tokio::select! {
                biased;
                token = input.next() => match token {
                    Some(Token::Input(bytes)) => {
                        self.on_input(&bytes, pictures);
                        (stale, urgent) = (true, true);
                    }
                    Some(Token::Ack) => {}
                    Some(token) => if self.found.learn(&token) {
                        self.terminal_changed(pictures);
                        stale = true;
                    },
                    // The terminal is gone.
                    None => self.app.interrupt(Leaving::Lost),
                },
                update = self.link.next() => {
                    match update {
                        Some(Update::Event(event)) => self.app.on_event(*event),
                        Some(Update::Snapshot) => self.app.on_snapshot(self.link.snapshot()),
                        None => anyhow::bail!(crate::Error::EngineGone),
                    }
                    stale = true;
                }
                () = self.wake.notified() => {
                    if self.writer.is_broken() {
                        self.app.interrupt(Leaving::Lost);
                    }
                    stale = true;
                }
                () = until(next_frame) => stale = true,
                _ = resized.recv() => {
                    if self.found.resized(window_cell()) {
                        self.terminal_changed(pictures);
                    }
                    (stale, urgent) = (true, true);
                }
                _ = hangup.recv() => self.app.interrupt(Leaving::Lost),
                _ = terminate.recv() => self.app.interrupt(Leaving::Quit),
                _ = interrupt.recv() => self.app.interrupt(Leaving::Quit),
                _ = suspensions.recv() => self.app.apply(Action::Suspend),
                _ = tick.tick() => {
                    let rates = self.meter.rates(&self.writer, pictures.count());
                    self.app.set_output(pictures.terminal().protocol, rates);
                    stale = true;
                }
            }
            send(&mut self.app, self.link)?;
            if self.app.take_suspend() {
                self.suspend(pictures, input)?;
                (stale, urgent) = (true, true);
            }
        }
        Ok(())
    }

    fn terminal_changed(&mut self, pictures: &mut Pictures) {
        self.first.extend(pictures.set_terminal(self.found.clone()));
    }

    fn on_input(&mut self, bytes: &[u8], pictures: &Pictures) {
        let Ok(Some(event)) = terminput::Event::parse_from(bytes) else { return };
        let Ok(event) = terminput_crossterm::to_crossterm(event) else { return };
        match event {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.app.on_key(&key),
            Input::Mouse(mouse) => {
                let hit = pictures.place_at(Position::new(mouse.column, mouse.row));
                self.app.on_mouse(mouse.kind, hit);
            }
            Input::Paste(text) if self.app.has_dialog() => {
                for c in text.chars().filter(|c| !c.is_control()) {
                    self.app.on_key(&crossterm::event::KeyCode::Char(c).into());
                }
            }
            _ => {}
        }
    }

    fn draw(&mut self, pictures: &mut Pictures) -> anyhow::Result<()> {
        let size = self.screen.size()?;
        if self.size.replace(size).is_some_and(|before| before != size) {
            // The screen is cleared, and on some terminals pictures go with the text.
            self.first.extend(pictures.clear());
        }
        let phase = self.app.phase();
        pictures.set_settled(!matches!(phase, Phase::Running | Phase::Loading | Phase::Idle));
        pictures.set_preference(self.app.preference());
        let frame = self.screen.draw(|frame| draw(frame, &mut self.app, pictures))?;
        let end = pictures.end_frame(frame.buffer);
        let text = self.frame.take();
        // Every frame resets colours and hides the cursor; without a cell moved to, that is all it did.
        let draws = text.contains(&b'H') || text.contains(&b'J');
        let mut out = vec![];
        if draws || !end.controls.is_empty() || !self.first.is_empty() {
            out = [HOLD, &std::mem::take(&mut self.first), &text, &end.controls, SHOW].concat();
        }
        self.writer.frame(&out, &end);
        Ok(())
    }

    /// To the shell, and back when the shell says so.
    fn suspend(&mut self, pictures: &mut Pictures, input: &Reader) -> anyhow::Result<()> {
        input.hold(true);
        self.writer.hold(&pictures.clear());
        terminal_guard::give_back();
        // SAFETY: raising a signal has no memory effects; SIGSTOP cannot be caught, so it stops right here and
        // goes on when the shell continues the program.
        unsafe {
            libc::raise(libc::SIGSTOP);
        }
        // The session's own guard gives it back in the end.
        std::mem::forget(TerminalGuard::take()?);
        self.writer.go_on();
        input.hold(false);
        self.clear()
    }

    /// Clears the screen and draws every cell in the next frame. ratatui's own `clear` asks the terminal for its
    /// cursor, an answer that the reader of the keyboard would have to wait for.
    fn clear(&mut self) -> anyhow::Result<()> {
        let size = self.screen.size()?;
        Ok(self.screen.resize(Rect::from((Position::ORIGIN, size)))?)
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}
