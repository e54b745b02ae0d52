//! One job after the other through the engine, with progress for a person.

use super::exit;
use crate::engine::{Command, Engine, Event, FailureKind, JobSpec, Link, Phase, RunManifest, Snapshot, Update};
use crate::error::{Error, Result};
use crate::imaging::Display;
use crate::model::Provenance;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a line of progress is printed where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Runs jobs one after the other and shows how they do.
pub(super) struct Runner {
    link: Link,
    quiet: bool,
    display: Display,
    /// Whether an animation of each run is written.
    record: bool,
    /// What has been said of the models so far.
    said: HashSet<String>,
}

/// How a job ended.
#[derive(Default)]
pub(super) struct RunOutcome {
    /// Its exit code.
    pub code: u8,
    /// Why it failed.
    pub failure: Option<String>,
    /// What `run.json` holds, if it was saved.
    pub manifest: Option<Box<RunManifest>>,
    /// The files that were written of it.
    pub files: Vec<String>,
    /// Its last snapshot.
    pub snapshot: Arc<Snapshot>,
}

impl Runner {
    pub fn new(engine: &Engine, quiet: bool, display: Display, record: bool) -> Self {
        Self { link: engine.link(), quiet, display, record, said: HashSet::new() }
    }

    /// Runs one job to its end and saves it, if there is a folder.
    pub async fn one(&mut self, job: JobSpec, folder: Option<&Path>) -> Result<RunOutcome> {
        let progress = Reporter::new(&job, self.quiet);
        self.link.send(Command::Start(Box::new(job)))?;
        self.follow(progress, folder, true).await
    }

    /// Takes a kept run up, runs it to its end and saves it.
    pub async fn resumed(&mut self, kept: &Path, folder: &Path) -> Result<RunOutcome> {
        let progress = Reporter::new(&JobSpec { technique: "resumed".into(), ..JobSpec::default() }, self.quiet);
        self.link.send(Command::Restore { folder: kept.to_owned() })?;
        self.follow(progress, Some(folder), false).await
    }

    /// `goes` says that the run goes on by itself: one that is taken up as it was stopped is told to.
    async fn follow(&mut self, mut progress: Reporter, folder: Option<&Path>, mut goes: bool) -> Result<RunOutcome> {
        let mut outcome = RunOutcome::default();
        let mut interrupted = false;
        loop {
            match self.link.next().await.ok_or(Error::EngineGone)? {
                Update::Snapshot => progress.show(&self.link.snapshot()),
                Update::Event(event) => match *event {
                    Event::Finished { .. } | Event::Stopped { .. } => {
                        interrupted |= matches!(*event, Event::Stopped { .. });
                        if !self.save(folder)? {
                            break;
                        }
                    }
                    Event::Interrupted { .. } => {
                        interrupted = true;
                        // Before its first step a run has nothing to stop or save.
                        if self.link.snapshot().course.phase == Phase::Loading {
                            break;
                        }
                    }
                    Event::Failed { kind, message, .. } => {
                        outcome.code = exit::code_of_kind(kind);
                        outcome.failure = Some(message);
                        let has_picture = self.link.snapshot().view.result.is_some();
                        if kind != FailureKind::Failed || !has_picture {
                            break;
                        }
                        if !self.save(folder)? {
                            break;
                        }
                    }
                    Event::Saved { manifest, folder, files, .. } => {
                        progress.finish(&self.link.snapshot(), &folder, &files);
                        (outcome.manifest, outcome.files) = (Some(manifest), files);
                        break;
                    }
                    Event::Refused { kind, message } => {
                        outcome.code = exit::code_of_kind(kind);
                        outcome.failure = Some(message);
                        break;
                    }
                    Event::Warned { message } => note!("gradlens: {}", crate::tui::printable(&message)),
                    Event::Paused { .. } if !goes => {
                        goes = true;
                        self.link.send(Command::Resume)?;
                    }
                    Event::Started { ref spec, ref model, .. } => {
                        if !self.quiet {
                            self.say_assumptions(&model.provenance);
                        }
                        if let Some(delivery) = &spec.delivery {
                            (self.display, self.record) = (delivery.display.clone(), delivery.record);
                        }
                    }
                    Event::Resumed { .. } => goes = true,
                    Event::Paused { .. } | Event::Changed { .. } | Event::Kept { .. } => {}
                },
            }
        }
        if interrupted {
            outcome.code = exit::INTERRUPTED;
        }
        outcome.snapshot = self.link.snapshot();
        Ok(outcome)
    }

    /// Says what was assumed of a model, once.
    fn say_assumptions(&mut self, provenance: &Provenance) {
        if let Some(text) = provenance.assumptions()
            && self.said.insert(text.clone())
        {
            note!("gradlens: {}", crate::tui::printable(&text));
        }
    }

    /// Whether there is a folder to save to.
    fn save(&self, folder: Option<&Path>) -> Result<bool> {
        let Some(folder) = folder else { return Ok(false) };
        self.link.send(Command::Save {
            folder: Some(folder.to_owned()),
            display: self.display.clone(),
            record: self.record,
        })?;
        Ok(true)
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar on a terminal, plain lines elsewhere, nothing when quiet. All of it goes to standard error.
struct Reporter {
    bar: Option<ProgressBar>,
    lines: bool,
    said: Instant,
    name: String,
}

impl Reporter {
    fn new(job: &JobSpec, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let what = job.picture.as_ref().map_or_else(String::new, |p| format!(" {}", p.name()));
        let name = crate::tui::printable(&format!("{}{what}", job.technique));
        let bar = (terminal && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let template = "{prefix} {wide_bar} {pos}/{len}  {msg}  {elapsed} (left {eta})";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(name.clone());
            bar
        });
        Self { bar, lines: !terminal && !quiet, said: Instant::now(), name }
    }

    fn show(&mut self, snapshot: &Snapshot) {
        if let Some(bar) = &self.bar {
            bar.set_length(snapshot.course.total as u64);
            bar.set_position(snapshot.course.step as u64);
            bar.set_message(figures(snapshot));
        } else if self.lines && snapshot.course.phase == Phase::Running && self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            note!("{}: step {}/{}  {}", self.name, snapshot.course.step, snapshot.course.total, figures(snapshot));
        }
    }

    fn finish(&self, snapshot: &Snapshot, folder: &Path, files: &[String]) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.bar.is_some() || self.lines {
            let figures = figures(snapshot);
            let figures = if figures.is_empty() { String::new() } else { format!("  {figures}") };
            let steps = if snapshot.course.step == 1 {
                "1 step".to_owned()
            } else {
                format!("{} steps", snapshot.course.step)
            };
            note!("{}: {steps}, {:.0} ms a step{figures}", self.name, snapshot.ms_per_step);
            let folder = crate::tui::printable(&folder.display().to_string());
            note!("    {folder}: {}", files.join(", "));
            if let Some(sentence) = flat(snapshot) {
                note!("    {sentence}");
            }
        }
    }
}

/// Which maps point nowhere, in a sentence; `None` if all say something.
pub(super) fn flat(snapshot: &Snapshot) -> Option<String> {
    let help = "points nowhere; try another --layer, --class or method";
    if let Some(heat) = snapshot.view.heat.as_ref().filter(|heat| heat.is_flat()) {
        return Some(format!("the map is {} everywhere and {help}", heat.range().0));
    }
    let flat = snapshot.view.panels.iter().filter(|panel| panel.heat.is_flat());
    let titles: Vec<String> = flat.map(|panel| crate::tui::printable(&panel.title)).collect();
    (!titles.is_empty()).then(|| format!("{}: the same everywhere, which {help}", titles.join(", ")))
}

/// The newest value of each curve.
fn figures(snapshot: &Snapshot) -> String {
    snapshot.course.figures().map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join("  ")
}
