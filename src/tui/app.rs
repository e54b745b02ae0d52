//! The dashboard's state.

use super::action::Action;
use super::dialogs::{Dialog, FilePicker, Help, Outcome, Picker};
use super::keymap;
use super::lens::Lens;
use super::painted::Painted;
use super::theme::Theme;
use crate::engine::{ClassName, Command, Event, JobSpec, Phase, Snapshot, Source, Task};
use crate::imaging::Display;
use crate::imaging::samples::PHOTOS;
use crate::model::{BUILT_IN, Labels, ModelInfo, usual};
use crate::picture::{Preference, Protocol, Rates};
use crate::techniques::{Need, ParamSpec, ParamValue, TECHNIQUES, Technique};
use crossterm::event::KeyEvent;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// What the dashboard starts with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The first run; its technique is where the dashboard opens.
    pub spec: JobSpec,
    /// How it comes about.
    pub begin: Begin,
    /// How things look.
    pub theme: Theme,
    /// How maps are shown.
    pub display: Display,
    /// Bytes a second to the terminal at most; what the line bears unless given.
    pub bandwidth: Option<f64>,
}

/// How a dashboard comes by its first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// It starts it.
    Start,
    /// It goes on already.
    Watch,
    /// It is taken up from a folder.
    Restore(PathBuf),
}

/// Why a dashboard closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// The run ends with it.
    Quit,
    /// The run goes on.
    Detach,
    /// The terminal is gone; the run goes on.
    Lost,
}

/// One run, for the summary after quitting.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The run's number.
    pub run: u64,
    /// The technique's id.
    pub technique: String,
    /// How it ended, in a word.
    pub ended: &'static str,
    /// Updates it made.
    pub steps: usize,
    /// The last value of each curve.
    pub figures: Vec<(String, f64)>,
    /// Where its files are.
    pub saved: Option<PathBuf>,
}

/// Which pane the arrow keys belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    Parameters,
    Techniques,
}

/// What the result pane shows of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapView {
    Overlay,
    Map,
    Photo,
}

/// A line for the person, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub text: String,
    pub bad: bool,
}

/// How the line to the terminal does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    pub protocol: Protocol,
    pub rates: Rates,
}

/// The whole state of the dashboard.
pub struct App {
    pub(super) theme: Theme,
    pub(super) snapshot: Arc<Snapshot>,
    /// The model of the present run, once it is known.
    pub(super) model: Option<Arc<ModelInfo>>,
    pub(super) technique: usize,
    pub(super) focus: Focus,
    pub(super) selected: usize,
    pub(super) dialog: Option<Box<dyn Dialog>>,
    pub(super) message: Option<Message>,
    pub(super) view: MapView,
    pub(super) display: Display,
    /// Which picture a small screen shows, counted through those there are.
    pub(super) shown_picture: usize,
    pub(super) line: Line,
    pub(super) lens: Lens,
    preference: Preference,
    pub(super) spec: JobSpec,
    /// The earlier step that was asked for last.
    pub(super) looking: Option<usize>,
    /// The run that the present one is shown beside.
    pub(super) rival: Option<u64>,
    /// Parameters changed by the person, a technique at a time.
    pub(super) settings: HashMap<&'static str, BTreeMap<String, ParamValue>>,
    /// What the network took the present photo for.
    pub(super) photo_class: Option<usize>,
    pub(super) outbox: Vec<Command>,
    summaries: Vec<RunSummary>,
    pub(super) painted: Painted,
    /// The run that was asked for here last, until it has begun.
    awaited: Option<JobSpec>,
    quit: Option<Leaving>,
    suspend: bool,
    interrupted: bool,
}

impl App {
    /// The state before the first key; its first run is already in the outbox.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let technique = TECHNIQUES.iter().position(|t| t.id() == setup.spec.technique).unwrap_or(0);
        let settings = HashMap::from([(TECHNIQUES[technique].id(), setup.spec.set.clone())]);
        let mut app = Self {
            model: None,
            theme: setup.theme,
            snapshot: Arc::default(),
            technique,
            focus: Focus::Parameters,
            selected: 0,
            dialog: None,
            message: None,
            view: MapView::Overlay,
            display: setup.display,
            shown_picture: 0,
            line: Line { protocol: Protocol::Halfblocks, rates: Rates::default() },
            lens: Lens::default(),
            preference: Preference::default(),
            spec: setup.spec,
            looking: None,
            rival: None,
            settings,
            photo_class: None,
            outbox: vec![],
            summaries: vec![],
            painted: Painted::default(),
            awaited: None,
            quit: None,
            suspend: false,
            interrupted: false,
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
        self.quit.is_some()
    }

    /// Why the dashboard closes, if it does.
    pub(super) fn leaving(&self) -> Option<Leaving> {
        self.quit
    }

    /// The system asks the program to end.
    pub(super) fn interrupt(&mut self, why: Leaving) {
        self.interrupted = true;
        self.leave(why);
    }

    /// Whether the system asked to leave.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Whether the person wants the shell for a while; asked once.
    pub fn take_suspend(&mut self) -> bool {
        std::mem::take(&mut self.suspend)
    }

    /// The runs so far.
    #[must_use]
    pub fn summaries(&self) -> &[RunSummary] {
        &self.summaries
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// How the line to the terminal does.
    pub fn set_line(&mut self, protocol: Protocol, rates: Rates) {
        self.line = Line { protocol, rates };
    }

    /// What a line that does not carry everything is used for.
    #[must_use]
    pub fn preference(&self) -> Preference {
        self.preference
    }

    /// How the run stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.snapshot.course.phase
    }

    /// Whether a dialog covers a part of the screen.
    #[must_use]
    pub fn has_dialog(&self) -> bool {
        self.dialog.is_some()
    }

    pub(super) fn current(&self) -> &'static dyn Technique {
        TECHNIQUES[self.technique]
    }

    pub(super) fn params(&self) -> &'static [ParamSpec] {
        self.current().params()
    }

    /// Whether the engine already works on the technique that is selected.
    pub(super) fn is_current(&self) -> bool {
        self.snapshot.technique == self.current().id()
    }

    /// The value shown for a parameter: the run's, or what the next run would take.
    pub(super) fn value(&self, spec: &ParamSpec) -> ParamValue {
        let running = self.snapshot.params.get(spec.name).filter(|_| self.is_current());
        let chosen = || self.settings.get(self.current().id()).and_then(|s| s.get(spec.name));
        running
            .or_else(chosen)
            .cloned()
            .or_else(|| self.current().defaults().get(spec.name).cloned())
            .unwrap_or_else(|| spec.default_value())
    }

    /// Takes a key press.
    pub fn on_key(&mut self, key: &KeyEvent) {
        let control = key.modifiers.contains(crossterm::event::KeyModifiers::CONTROL);
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

    /// Takes a newer snapshot.
    pub fn on_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        let explains = self.current().needs().picture != Need::None && self.is_current();
        if explains && snapshot.course.step <= 1 && self.photo_class.is_none() {
            self.photo_class = snapshot.course.top.first().map(|p| p.index);
        }
        if snapshot.run != self.snapshot.run || snapshot.course.phase == Phase::Running {
            self.looking = None;
        }
        self.snapshot = snapshot;
    }

    /// Takes an event.
    pub fn on_event(&mut self, event: Event) {
        let say = |text: String, bad| Some(Message { text: super::text::printable(&text), bad });
        match event {
            Event::Finished { run, step } => self.note(run, step, "finished"),
            Event::Stopped { run, step } => self.note(run, step, "stopped"),
            Event::Failed { run, step, message, .. } => {
                self.awaited = None;
                self.note(run, step, "failed");
                self.message = say(message, true);
            }
            Event::Saved { run, folder, files, .. } => {
                self.note(run, self.snapshot.course.step, "saved");
                if let Some(summary) = self.summaries.iter_mut().find(|s| s.run == run) {
                    summary.saved = Some(folder.clone());
                }
                self.message = say(format!("saved {} to {}", files.join(", "), folder.display()), false);
            }
            Event::Refused { message, .. } => {
                self.awaited = None;
                self.message = say(message, true);
            }
            Event::Warned { message } => self.message = say(message, true),
            Event::Interrupted { .. } => self.interrupt(Leaving::Quit),
            Event::Started { spec, model, .. } => {
                self.model = Some(model);
                self.adopt(*spec);
            }
            Event::Kept { .. } | Event::Paused { .. } | Event::Resumed { .. } | Event::Changed { .. } => {}
        }
    }

    /// Keeps what is worth saying of a run after quitting; the engine's newest snapshot belongs to it.
    fn note(&mut self, run: u64, steps: usize, ended: &'static str) {
        let snapshot = &self.snapshot;
        let mine = snapshot.run == run;
        let last = snapshot.course.figures().map(|(name, value)| (name.to_owned(), value));
        let figures = if mine { last.collect() } else { vec![] };
        match self.summaries.iter_mut().find(|s| s.run == run) {
            Some(summary) => {
                summary.steps = steps;
                if ended != "saved" {
                    summary.ended = ended;
                }
                if !figures.is_empty() {
                    summary.figures = figures;
                }
            }
            None if mine => {
                let technique = snapshot.technique.clone();
                self.summaries.push(RunSummary { run, technique, ended, steps, figures, saved: None });
            }
            None => {}
        }
    }

    /// Carries out an action.
    pub fn apply(&mut self, action: Action) {
        let count = TECHNIQUES.len();
        match action {
            Action::NextTechnique => self.go_to((self.technique + 1) % count),
            Action::PreviousTechnique => self.go_to((self.technique + count - 1) % count),
            Action::Technique(n) if n < count => self.go_to(n),
            Action::Technique(_) => {}
            Action::TogglePause => match self.snapshot.course.phase {
                Phase::Running => self.outbox.push(Command::Pause),
                Phase::Paused => self.outbox.push(Command::Resume),
                _ => self.say("the run has ended; r starts it again"),
            },
            Action::Step => match self.snapshot.course.phase {
                Phase::Paused => self.outbox.push(Command::Step),
                Phase::Running => self.outbox.extend([Command::Pause, Command::Step]),
                _ => self.say("the run has ended; r starts it again"),
            },
            Action::Restart => self.start(),
            Action::Stop => self.outbox.push(Command::Stop),
            Action::Save => self.save(false),
            Action::Record => self.save(true),
            Action::Scrub(by) => self.scrub(by.into()),
            Action::Branch => self.branch(),
            Action::PickRival => self.pick_rival(),
            Action::SetRival(run) => self.rival = Some(run),
            Action::TypeValue => self.type_value(),
            Action::SetValue(name, value) => {
                if let Some(spec) = self.params().iter().find(|spec| spec.name == name) {
                    self.set_value(spec, value);
                }
            }
            Action::ClearTarget => self.clear_target(),
            Action::PickClass => self.pick_class(),
            Action::PickTechnique => {
                let items = TECHNIQUES.iter().map(|t| format!("{:<22} {}", t.id(), t.about())).collect();
                self.dialog = Some(Box::new(Picker::one("technique", items, self.technique, Action::Technique)));
            }
            Action::PickLayer => self.pick_layer(),
            Action::PickComparison => self.pick_comparison(),
            Action::PickCompared(what) => self.pick_compared(what),
            Action::Score => self.score(),
            Action::PickPicture => self.dialog = Some(Box::new(FilePicker::photos(self.spec.picture.as_ref()))),
            Action::PickStyle if self.current().needs().style == Need::None => {
                self.say("this technique has no style picture");
            }
            Action::PickStyle => self.dialog = Some(Box::new(FilePicker::styles(self.spec.styles.first()))),
            Action::NextFocus => {
                self.shown_picture += 1;
                self.focus = match self.focus {
                    Focus::Parameters => Focus::Techniques,
                    Focus::Techniques => Focus::Parameters,
                };
            }
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
            | Action::ToggleContour => self.change_looks(&action),
            Action::Zoom(_) | Action::Pan(..) | Action::ToggleSwipe | Action::MoveSwipe(_) => self.move_lens(&action),
            Action::NextPreference => {
                self.preference = self.preference.next();
                self.say(&format!("on a slow line: {}", self.preference));
            }
            Action::Help => self.dialog = Some(Box::new(Help::default())),
            Action::Dismiss => self.message = None,
            Action::Suspend => self.suspend = true,
            Action::Quit => self.leave(Leaving::Quit),
            Action::Leave => self.leave(Leaving::Detach),
            Action::SetClass(class) => {
                self.spec.class = Some(class.into());
                self.turn_to("class", ParamValue::Int(class as i64));
            }
            Action::SetTarget(class) => {
                self.spec.target = Some(class.into());
                self.turn_to("target", ParamValue::Int(class as i64));
            }
            Action::SetPicture(source) => {
                self.spec.picture = Some(source);
                // The new photo speaks for itself.
                self.spec.class = None;
                self.photo_class = None;
                self.start();
            }
            Action::SetStyle(source) => {
                self.spec.styles = vec![source];
                self.start();
            }
            Action::SetLayer(layer) => {
                self.spec.layer = Some(layer.clone());
                self.turn_to("layer", ParamValue::Text(layer));
            }
            Action::Compare(maps) => {
                self.spec.task = if maps.is_empty() { Task::Run } else { Task::Compare(maps) };
                self.start();
            }
        }
    }

    /// Closes the dashboard; a run that is still going is part of the summary too.
    fn leave(&mut self, why: Leaving) {
        self.quit.get_or_insert(why);
        if matches!(self.snapshot.course.phase, Phase::Running | Phase::Paused) {
            self.note(self.snapshot.run, self.snapshot.course.step, "left");
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.message = Some(Message { text: text.to_owned(), bad: false });
    }

    /// A run has begun: if somebody else began it, this dashboard is about it from here on.
    fn adopt(&mut self, spec: JobSpec) {
        if let Some(awaited) = &self.awaited {
            if awaited.became(&spec) {
                self.awaited = None;
                // By now it is known which classes were meant.
                self.spec.class = self.spec.class.take().and(spec.class);
                self.spec.target = self.spec.target.take().and(spec.target);
            }
            return;
        }
        if let Some(technique) = TECHNIQUES.iter().position(|t| t.id() == spec.technique)
            && technique != self.technique
        {
            (self.technique, self.selected) = (technique, 0);
        }
        self.settings.insert(self.current().id(), spec.set.clone());
        let (picture, styles) = (spec.picture.clone(), spec.styles.clone());
        let before = (self.spec.picture.take(), std::mem::take(&mut self.spec.styles));
        self.spec = JobSpec {
            picture: picture.or(before.0),
            styles: if styles.is_empty() { before.1 } else { styles },
            delivery: None,
            task: if spec.task.is_score() { Task::Run } else { spec.task.clone() },
            changes: vec![],
            until: None,
            ..spec
        };
    }

    fn go_to(&mut self, technique: usize) {
        self.spec.task = Task::Run;
        self.technique = technique;
        self.selected = 0;
        self.start();
    }

    /// Starts the selected technique on what is chosen.
    pub(super) fn start(&mut self) {
        let spec = self.chosen();
        self.ask_for(spec);
    }

    /// Has a run begun.
    pub(super) fn ask_for(&mut self, spec: JobSpec) {
        self.awaited = Some(spec.clone());
        self.outbox.push(Command::Start(Box::new(spec)));
    }

    /// The run of the selected technique on what is chosen.
    pub(super) fn chosen(&mut self) -> JobSpec {
        let technique = self.current();
        let needs = technique.needs();
        self.spec.technique = technique.id().to_owned();
        self.spec.set = self.settings.get(technique.id()).cloned().unwrap_or_default();
        let mut spec = self.spec.clone();
        // A model, weights and a layer were chosen for the technique the program was opened with.
        let usual = usual(BUILT_IN, technique.purpose()).map(|entry| entry.id).ok();
        if spec.model.as_deref().is_some_and(|m| Some(m) != usual) && needs.style != Need::None {
            (spec.model, spec.weights) = (None, None);
        }
        if needs.layer == Need::None {
            spec.layer = None;
        }
        if needs.class == Need::Required && spec.class.is_none() {
            spec.class = self.photo_class.or(Some(235)).map(Into::into);
        }
        if needs.together && spec.others.is_empty() {
            let other = |name: &&str| spec.picture != Some(Source::Sample((*name).to_owned()));
            let names = PHOTOS.iter().map(|photo| photo.name).filter(other);
            spec.others = names.map(|name| Source::Sample(name.to_owned())).collect();
        }
        if needs.target == Need::Required && spec.target.is_none() {
            // Something no photo shows by chance.
            spec.target = Some(1.into());
        }
        spec
    }

    /// A class as it is shown: by its label, or as the person called it.
    pub(super) fn named(&self, class: &ClassName) -> String {
        match class {
            ClassName::Index(index) => self.label(*index),
            ClassName::Label(label) => super::text::printable(label),
        }
    }

    /// The label of one of the model's classes.
    pub(super) fn label(&self, class: usize) -> String {
        self.model.as_ref().map_or_else(|| Labels::of_index(class), |model| model.label(class))
    }

    fn save(&mut self, record: bool) {
        if self.snapshot.run == 0 {
            return;
        }
        let display = self.display.clone();
        self.outbox.push(Command::Save { folder: None, display, record });
    }

    fn select(&mut self, down: bool) {
        match self.focus {
            Focus::Techniques => {
                self.apply(if down { Action::NextTechnique } else { Action::PreviousTechnique });
            }
            Focus::Parameters => {
                let last = self.params().len().saturating_sub(1);
                self.selected = if down { (self.selected + 1).min(last) } else { self.selected.saturating_sub(1) };
            }
        }
    }

    /// The name of the photo or style picture that is chosen.
    pub(super) fn name_of(source: Option<&Source>) -> String {
        source.map(|s| super::text::printable(&s.name())).unwrap_or_default()
    }
}
