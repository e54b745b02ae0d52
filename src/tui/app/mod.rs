//! The dashboard's state. It does no I/O: keys, snapshots and events go in, commands for the engine collect in its outbox,
//! and panes draw it.

mod choice;
mod contents;
mod lifecycle;
mod models;
mod run_state;
mod showing;
mod steering;
mod summaries;

pub(super) use choice::Choice;
pub(super) use contents::RESULT;
pub(super) use lifecycle::Leaving;
pub use lifecycle::{Begin, Setup};
pub(super) use run_state::RunState;
pub(super) use showing::{Focus, Showing};
pub use summaries::RunSummary;

use super::action::Action;
use super::dialogs::{Dialog, FilePicker, Help, Outcome};
use super::text::printable;
use super::{keymap, pickers};
use crate::engine::{Command, Event, JobSpec, Phase, Snapshot};
use crate::model::ModelRef;
use crate::picture::{Preference, Protocol, Rates};
use crate::techniques::{Need, ParamSpec, ParamValue, TECHNIQUES, Technique};
use crossterm::event::{KeyEvent, KeyModifiers, MouseEventKind};
use lifecycle::Exit;
use std::sync::Arc;
use summaries::Summaries;

/// The share of a swipe's edge that a key moves.
const SWIPE_STEP: f64 = 0.05;

/// A line for the person, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub text: String,
    pub bad: bool,
}

/// The whole state of the dashboard.
pub struct App {
    choice: Choice,
    run: RunState,
    showing: Showing,
    summaries: Summaries,
    dialog: Option<Box<dyn Dialog>>,
    message: Option<Message>,
    /// The run that was asked for here last, until it has begun.
    awaited: Option<JobSpec>,
    outbox: Vec<Command>,
    exit: Exit,
}

impl App {
    /// The state before the first key; its first run is already in the outbox.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let mut app = Self {
            choice: Choice::new(setup.spec),
            run: RunState::default(),
            showing: Showing::new(setup.theme, setup.display),
            summaries: Summaries::default(),
            dialog: None,
            message: None,
            awaited: None,
            outbox: vec![],
            exit: Exit::default(),
        };
        match setup.begin {
            Begin::Start => app.start(),
            Begin::Watch => {}
            Begin::Restore(folder) => app.outbox.push(Command::Restore { folder }),
        }
        app
    }

    /// Commands for the engine, in order, since the last call.
    pub fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.outbox)
    }

    /// Whether the person wants to leave, or the system asked to.
    #[must_use]
    pub fn wants_to_quit(&self) -> bool {
        self.exit.leaving().is_some()
    }

    /// Why the dashboard closes, if it does.
    pub(super) fn leaving(&self) -> Option<Leaving> {
        self.exit.leaving()
    }

    /// The system asks the program to end.
    pub(super) fn interrupt(&mut self, why: Leaving) {
        self.note_left();
        self.exit.interrupt(why);
    }

    /// Whether the system asked to leave.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.exit.was_interrupted()
    }

    /// Whether the person wants the shell for a while; asked once.
    pub fn take_suspend(&mut self) -> bool {
        self.exit.take_suspend()
    }

    /// The runs so far.
    #[must_use]
    pub fn summaries(&self) -> &[RunSummary] {
        self.summaries.all()
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.run.snapshot()
    }

    /// How pictures get to the terminal, and how fast.
    pub fn set_output(&mut self, protocol: Protocol, rates: Rates) {
        (self.showing.protocol, self.showing.rates) = (protocol, rates);
    }

    /// What a line that does not carry everything is used for.
    #[must_use]
    pub fn preference(&self) -> Preference {
        self.showing.preference
    }

    /// How the run stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.run.phase()
    }

    /// Whether a dialog covers a part of the screen.
    #[must_use]
    pub fn has_dialog(&self) -> bool {
        self.dialog.is_some()
    }

    /// The dialog that is open.
    pub(super) fn dialog(&mut self) -> Option<&mut (dyn Dialog + 'static)> {
        self.dialog.as_deref_mut()
    }

    /// What is to be said to the person.
    pub(super) fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    /// What the person has chosen.
    pub(super) fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The run that is shown.
    pub(super) fn run(&self) -> &RunState {
        &self.run
    }

    /// How things are shown.
    pub(super) fn showing(&self) -> &Showing {
        &self.showing
    }

    /// The technique that is selected.
    pub(super) fn technique(&self) -> &'static dyn Technique {
        self.choice.technique()
    }

    /// Its parameters.
    pub(super) fn params(&self) -> &'static [ParamSpec] {
        self.technique().params()
    }

    /// Whether the engine already works on the technique that is selected.
    pub(super) fn is_current(&self) -> bool {
        self.snapshot().technique == self.technique().id()
    }

    /// The value shown for a parameter: the run's, or what the next run would take.
    pub(super) fn value(&self, spec: &ParamSpec) -> ParamValue {
        let running = self.snapshot().params.get(spec.name).filter(|_| self.is_current());
        running.cloned().unwrap_or_else(|| self.choice.value(spec))
    }

    /// Takes a key press.
    pub fn on_key(&mut self, key: &KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if let Some(dialog) = self.dialog.as_mut().filter(|_| !control) {
            match dialog.on_key(key) {
                Outcome::Stay => {}
                Outcome::Close => self.dialog = None,
                Outcome::Choose(action) => {
                    self.dialog = None;
                    self.apply(action);
                }
            }
            return;
        }
        if let Some(action) = keymap::action(key) {
            self.message = None;
            self.apply(action);
        }
    }

    /// Takes what the mouse did; `hit` is the slot under it and the place in what that shows, as shares of its width and
    /// height.
    pub fn on_mouse(&mut self, kind: MouseEventKind, hit: Option<(&'static str, f64, f64)>) {
        if self.has_dialog() {
            return;
        }
        if self.swiped_by_mouse(kind, hit) {
            return;
        }
        self.showing.zoom.on_mouse(kind, hit);
    }

    /// Takes a newer snapshot.
    pub fn on_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        let of_current = snapshot.technique == self.technique().id();
        let explains_photo = of_current && self.technique().needs().picture != Need::None;
        self.run.update(snapshot, explains_photo);
    }

    /// Takes an event.
    pub fn on_event(&mut self, event: Event) {
        match event {
            Event::Finished { run, step } => self.ended(run, step, "finished"),
            Event::Stopped { run, step } => self.ended(run, step, "stopped"),
            Event::Failed { run, step, message, .. } => {
                self.awaited = None;
                self.choice.return_to_model();
                self.ended(run, step, "failed");
                self.complain(&message);
            }
            Event::Saved { run, folder, files, .. } => {
                self.say(&format!("saved {} to {}", files.join(", "), folder.display()));
                self.summaries.saved(run, folder, self.run.snapshot());
            }
            Event::Refused { message, .. } => {
                self.awaited = None;
                self.choice.return_to_model();
                self.complain(&message);
            }
            Event::Warned { message } => self.complain(&message),
            Event::Interrupted { .. } => self.interrupt(Leaving::Quit),
            Event::Started { spec, model, .. } => {
                let assumptions = model.provenance.assumptions();
                let new = self.run.begin(&spec, model);
                self.choice.keep_model();
                self.adopt(*spec);
                if let Some(text) = assumptions.filter(|_| new) {
                    self.say(&format!("(I shows this again) {text}"));
                }
            }
            Event::Kept { .. } | Event::Paused { .. } | Event::Resumed { .. } | Event::Changed { .. } => {}
        }
    }

    /// Carries out an action.
    pub fn apply(&mut self, action: Action) {
        let count = TECHNIQUES.len();
        match action {
            Action::NextTechnique => self.go_to((self.choice.place() + 1) % count),
            Action::PreviousTechnique => self.go_to((self.choice.place() + count - 1) % count),
            Action::Technique(n) if n < count => self.go_to(n),
            Action::Technique(_) => {}
            Action::TogglePause | Action::Step => self.pace(&action),
            Action::Restart => self.start(),
            Action::Stop => self.outbox.push(Command::Stop),
            Action::Save => self.save(false),
            Action::Record => self.save(true),
            Action::Scrub(by) => self.scrub(by.into()),
            Action::Branch => self.branch(),
            Action::PickReference if self.run.compare_with(None) => {}
            Action::PickReference => self.open(pickers::reference(&self.run)),
            Action::SetReference(run) => drop(self.run.compare_with(Some(run))),
            Action::TypeValue => self.type_value(),
            Action::SetValue(name, value) => self.set_value(name, value),
            Action::ClearTarget => self.clear_target(),
            Action::PickClass => self.open(pickers::class(&self.choice, &self.run)),
            Action::PickTechnique => self.open(Ok(pickers::technique(&self.choice))),
            Action::PickLayer => self.open(pickers::layer(&self.choice, &self.run)),
            Action::PickComparison if self.choice.is_comparison() => self.apply(Action::Compare(vec![])),
            Action::PickComparison => self.open(pickers::comparison(&self.choice, &self.run)),
            Action::PickCompared(what) => self.open(pickers::compared(what, &self.choice, &self.run)),
            Action::Score => self.score(),
            Action::PickModel => {
                let read: Vec<ModelRef> = self.run.models().read().cloned().collect();
                self.open(Ok(Box::new(FilePicker::models(&self.choice.model(self.run.models()), &read))));
            }
            Action::ShowModel => self.open(pickers::card(&self.run)),
            Action::PickPicture => self.open(Ok(Box::new(FilePicker::photos(self.choice.picture())))),
            Action::PickStyle if self.technique().needs().style == Need::None => {
                self.say("this technique has no style picture");
            }
            Action::PickStyle => self.open(Ok(Box::new(FilePicker::styles(self.choice.style())))),
            Action::NextFocus => self.showing.next_focus(),
            Action::Up => self.select(false),
            Action::Down => self.select(true),
            Action::Increase => self.nudge(true),
            Action::Decrease => self.nudge(false),
            Action::NextView
            | Action::NextColorMap
            | Action::MoreOverlay
            | Action::LessOverlay
            | Action::NextClip
            | Action::NextThreshold
            | Action::ToggleContour => self.change_display(&action),
            Action::Zoom(closer) => self.showing.zoom.step(closer),
            Action::Pan(..) if self.showing.zoom.factor() == 1 => self.say("z zooms in first"),
            Action::Pan(dx, dy) => self.showing.zoom.pan_eighths(dx, dy),
            Action::ToggleSwipe => self.toggle_swipe(),
            Action::MoveSwipe(_) if self.showing.swipe.is_none() => {
                self.say("w lays another picture beside this one first");
            }
            Action::MoveSwipe(by) => self.showing.move_swipe(f64::from(by) * SWIPE_STEP),
            Action::NextPreference => {
                self.showing.preference = self.showing.preference.next();
                self.say(&format!("on a slow line: {}", self.showing.preference));
            }
            Action::Help => self.open(Ok(Box::new(Help::default()))),
            Action::Dismiss => self.message = None,
            Action::Suspend => self.exit.suspend(),
            Action::Quit => self.leave(Leaving::Quit),
            Action::Leave => self.leave(Leaving::Detach),
            Action::SetClass(_) | Action::SetTarget(_) | Action::SetLayer(_) => self.turn_to(action),
            Action::SetModel(model) => {
                self.choice.set_model(*model).iter().for_each(|gone| self.say(gone));
                self.run.forget_prediction();
                self.start();
            }
            Action::SetPicture(source) => {
                self.choice.set_picture(source);
                self.run.forget_prediction();
                self.start();
            }
            Action::SetStyle(source) => {
                self.choice.set_style(source);
                self.start();
            }
            Action::Compare(maps) => {
                self.choice.set_comparison(maps);
                self.start();
            }
        }
    }

    /// Opens a dialog, or says why there is none.
    fn open(&mut self, dialog: Result<Box<dyn Dialog>, String>) {
        match dialog {
            Ok(dialog) => self.dialog = Some(dialog),
            Err(reason) => self.say(&reason),
        }
    }

    fn say(&mut self, text: &str) {
        self.message = Some(Message { text: printable(text), bad: false });
    }

    fn complain(&mut self, text: &str) {
        self.message = Some(Message { text: printable(text), bad: true });
    }

    /// Keeps what is worth saying of a run after quitting.
    fn ended(&mut self, run: u64, step: usize, how: &'static str) {
        self.summaries.ended(run, step, how, self.run.snapshot());
    }

    /// Closes the dashboard.
    fn leave(&mut self, why: Leaving) {
        self.note_left();
        self.exit.leave(why);
    }

    /// A run that is still going is part of the summary too.
    fn note_left(&mut self) {
        if self.run.is_alive() {
            self.ended(self.snapshot().run, self.snapshot().course.step, "left");
        }
    }

    /// A run has begun: if somebody else began it, this dashboard is about it from here on.
    fn adopt(&mut self, spec: JobSpec) {
        match &self.awaited {
            Some(awaited) if awaited.became(&spec) => {
                self.awaited = None;
                self.choice.learn_classes(spec);
            }
            Some(_) => {}
            None => {
                if self.choice.adopt(spec) {
                    self.showing.parameter = 0;
                }
            }
        }
    }

    fn go_to(&mut self, technique: usize) {
        self.choice.go_to(technique);
        self.showing.parameter = 0;
        self.start();
    }

    /// The run of the selected technique on what is chosen.
    fn job(&self) -> JobSpec {
        let models = self.run.models();
        let predicted = self.run.predicted(&self.choice.model(models));
        self.choice.job(models, predicted)
    }

    /// Starts it.
    fn start(&mut self) {
        self.ask_for(self.job());
    }

    /// Has a run begun.
    fn ask_for(&mut self, spec: JobSpec) {
        self.awaited = Some(spec.clone());
        self.outbox.push(Command::Start(Box::new(spec)));
    }

    fn save(&mut self, record: bool) {
        if self.snapshot().run > 0 {
            let display = self.showing.map.colors.clone();
            self.outbox.push(Command::Save { folder: None, display, record });
        }
    }

    fn select(&mut self, down: bool) {
        match self.showing.focus {
            Focus::Techniques => {
                self.apply(if down { Action::NextTechnique } else { Action::PreviousTechnique });
            }
            Focus::Parameters => {
                let (at, last) = (self.showing.parameter, self.params().len().saturating_sub(1));
                self.showing.parameter = if down { (at + 1).min(last) } else { at.saturating_sub(1) };
            }
        }
    }
}
