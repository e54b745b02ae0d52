//! The computing thread: one run at a time, commands between steps.

use super::begin::{Checked, check, job, map_to_score};
use super::guard::guarded;
use super::options::Options;
use super::sources::OpenModels;
use crate::engine::protocol::{
    Command, Course, Delivery, Event, FailureKind, JobSpec, Machine, Past, Phase, Snapshot,
};
use crate::engine::run::{AIMS, Run, aimed};
use crate::engine::store::keeper::{Keeper, take_up};
use crate::engine::store::registry;
use crate::engine::store::save::{Surroundings, save};
use crate::error::{Error, Result};
use crate::imaging::{Display, Picture};
use crate::model::{Model, Output};
use crate::techniques::{ParamKind, ParamValue, classify};
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc::UnboundedSender, watch};

/// How often a picture that its job does not classify is shown to the classifier.
const CLASSIFY_EVERY: Duration = Duration::from_secs(1);
/// How many runs are kept to compare with.
const PAST: usize = 6;

pub(in crate::engine) struct Worker {
    options: Options,
    threads: usize,
    models: OpenModels,
    events: UnboundedSender<Event>,
    snapshots: Arc<watch::Sender<Arc<Snapshot>>>,
    run: Option<Run>,
    runs: u64,
    past: Arc<[Past]>,
    classified: Option<Instant>,
    keeper: Option<Keeper>,
}

impl Worker {
    pub fn new(
        options: Options,
        device: Device,
        events: UnboundedSender<Event>,
        snapshots: Arc<watch::Sender<Arc<Snapshot>>>,
    ) -> Self {
        let keeper = options.keeping.clone().map(|keeping| Keeper::new(keeping, events.clone()));
        Self {
            keeper,
            models: OpenModels::new(options.models, device),
            options,
            threads: rayon::current_num_threads(),
            events,
            snapshots,
            run: None,
            runs: 0,
            past: [].into(),
            classified: None,
        }
    }

    /// Works until it is told to shut down or nobody is left to tell.
    pub fn work(mut self, commands: &Receiver<Command>) {
        loop {
            let running = self.phase() == Some(Phase::Running);
            let command = if running {
                match commands.try_recv() {
                    Ok(command) => Some(command),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return,
                }
            } else {
                match commands.recv() {
                    Ok(command) => Some(command),
                    Err(_) => return,
                }
            };
            match command {
                Some(Command::Shutdown) => {
                    self.stop();
                    return;
                }
                Some(Command::Start(spec)) => {
                    // Someone leafs through techniques: only where they stop is worth loading.
                    let mut newest = spec;
                    let next = loop {
                        match commands.try_recv() {
                            Ok(Command::Start(newer)) => newest = newer,
                            other => break other.ok(),
                        }
                    };
                    self.obey(Command::Start(newest));
                    match next {
                        Some(Command::Shutdown) => return self.stop(),
                        Some(command) => self.obey(command),
                        None => {}
                    }
                }
                Some(command) => self.obey(command),
                None => self.step(),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        tracing::debug!(?command, "command");
        if let Err(error) = guarded(|| self.carry_out(command)) {
            self.tell(Event::Refused { kind: FailureKind::from(&error), message: error.to_string() });
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Start(spec) => self.start(*spec)?,
            Command::Pause => self.change_phase(Phase::Running, Phase::Paused),
            Command::Resume => self.change_phase(Phase::Paused, Phase::Running),
            Command::Step => {
                if self.phase() == Some(Phase::Paused) {
                    self.step();
                }
            }
            Command::Set { name, value } => self.set(&name, value)?,
            Command::Stop => self.stop(),
            Command::Look { step } => self.look(step),
            Command::Branch { step } => self.branch(step)?,
            Command::Restore { folder } => self.restore(&folder)?,
            Command::Keep => {
                self.keep(true);
                self.publish();
                let name = self.snapshots.borrow().kept.clone();
                self.tell(Event::Kept { name });
            }
            Command::Save { folder, display, record } => self.save(folder, &display, record)?,
            Command::Shutdown => {}
        }
        Ok(())
    }

    /// How the present run stands.
    fn phase(&self) -> Option<Phase> {
        self.run.as_ref().map(|run| run.course.phase)
    }

    /// Starts a run in the place of the present one. What can be found out before that is given up is found out first: then
    /// the present run is as it was.
    ///
    /// # Errors
    /// If something speaks against the new run, and there is a present one.
    fn start(&mut self, spec: JobSpec) -> Result<()> {
        let technique = spec.technique.clone();
        let checked = match guarded(|| check(spec, self.options.techniques, &self.models)) {
            Ok(checked) => checked,
            Err(error) if self.run.is_some() => return Err(error),
            Err(error) => {
                self.runs += 1;
                let nothing = Snapshot { run: self.runs, technique, machine: self.machine(), ..Snapshot::default() };
                self.fail(nothing, &error);
                return Ok(());
            }
        };
        let known = self.run.as_ref().and_then(|run| map_to_score(run, &checked.spec));
        self.take_over(checked, |id, checked, model| checked.begin(id, model, known)).map(drop)
    }

    /// Takes up a run that is kept in a folder.
    ///
    /// # Errors
    /// If it cannot be taken up; the present run is then as it was.
    fn restore(&mut self, folder: &Path) -> Result<()> {
        let kept = take_up(folder)?;
        let spec = kept.saved.origin.job.clone().from_folder(&kept.saved.folder);
        let checked = check(spec, self.options.techniques, &self.models)?;
        let model = self.models.get(&checked.model)?;
        kept.saved.check(folder, &checked.pictures.records, &model.info)?;
        let kept_at = kept.saved.course.step;
        let begun = self.take_over(checked, |id, checked, model| {
            let mut run = checked.begin(id, model, None)?;
            run.restore(kept.saved, kept.state, kept.first.as_ref(), kept.pictures)?;
            Ok(run)
        })?;
        let Some(run) = self.run.as_ref().filter(|_| begun) else { return Ok(()) };
        if let Some(keeper) = &mut self.keeper {
            keeper.adopt(run, folder, kept_at, kept.lock);
        }
        let (run, step, phase) = (run.id, run.course.step, run.course.phase);
        self.publish();
        if phase == Phase::Finished {
            // Its process may have been killed between the last checkpoint and the note of it.
            self.keep(true);
        }
        self.tell(match phase {
            Phase::Paused => Event::Paused { run, step },
            Phase::Finished => Event::Finished { run, step },
            _ => Event::Resumed { run, step },
        });
        Ok(())
    }

    /// Reads the model of the next run, has that made by `begin` and puts it in the place of the present one; says whether it
    /// has begun. What goes wrong once the model is read is the failure of the next run, if that is of another technique.
    ///
    /// # Errors
    /// If there is a present run, which is then as it was, and the model cannot be read or its technique cannot begin.
    fn take_over(
        &mut self,
        mut checked: Checked,
        begin: impl FnOnce(u64, Checked, Arc<Model>) -> Result<Run>,
    ) -> Result<bool> {
        let own = Snapshot { machine: self.machine(), past: self.past.clone(), ..Snapshot::default() };
        let loading = checked.loading(Snapshot { run: self.runs + 1, ..own });
        self.snapshots.send_replace(Arc::new(loading.clone()));
        let model = guarded(|| {
            let model = self.models.get(&checked.model)?;
            checked.resolve_in(&model)?;
            Ok(model)
        });
        let id = checked.technique.id();
        let stays = self.run.as_ref().is_some_and(|run| model.is_err() || run.technique.id() == id);
        if !stays {
            // Two at once would take the memory of both.
            self.stop();
            self.retire();
        }
        let (spec, params) = (Box::new(checked.spec.clone()), checked.params.clone());
        let info = model.as_ref().ok().map(|model| model.info.clone());
        let begun = model.and_then(|model| guarded(|| begin(self.runs + 1, checked, model)));
        if let (Err(_), true) = (&begun, stays) {
            self.publish();
            return begun.map(|_| true);
        }
        self.stop();
        self.retire();
        self.runs += 1;
        self.classified = None;
        let loading = Snapshot { past: self.past.clone(), ..loading };
        self.snapshots.send_replace(Arc::new(loading.clone()));
        if let Some(model) = info {
            self.tell(Event::Started { run: self.runs, spec, model, params });
        }
        let begun = begun.map(|run| self.run = Some(run));
        match &begun {
            Ok(()) => self.publish(),
            Err(error) => self.fail(loading, error),
        }
        Ok(begun.is_ok())
    }

    /// Tells of a run that has failed before its first step.
    fn fail(&mut self, snapshot: Snapshot, error: &Error) {
        let (run, message) = (snapshot.run, error.to_string());
        let course = Course { phase: Phase::Failed, failure: Some(message.clone()), ..Course::default() };
        self.snapshots.send_replace(Arc::new(Snapshot { course, ..snapshot }));
        self.tell(Event::Failed { run, step: 0, kind: FailureKind::from(error), message });
    }

    /// What is computed with.
    fn machine(&self) -> Machine {
        Machine { device: self.options.device.clone(), threads: self.threads }
    }

    /// Keeps the present run on the disk, at once or if that is due.
    fn keep(&mut self, now: bool) {
        if let (Some(run), Some(keeper)) = (&self.run, &mut self.keeper) {
            let kept = guarded(|| {
                keeper.keep(run, now);
                Ok(())
            });
            if let Err(error) = kept {
                self.tell(Event::Warned { message: format!("the run could not be kept: {error}") });
            }
        }
    }

    fn step(&mut self) {
        let Some(run) = &mut self.run else { return };
        let before = run.course.phase;
        let event = match guarded(|| run.advance()) {
            Ok(()) if run.course.phase == Phase::Finished => {
                Some(Event::Finished { run: run.id, step: run.course.step })
            }
            Ok(()) if run.course.phase != before => Some(Event::Paused { run: run.id, step: run.course.step }),
            Ok(()) => None,
            Err(error) => Some(run.fail(&error)),
        };
        self.classify_result(event.is_some());
        self.keep(event.is_some());
        self.publish();
        if let Some(event) = event {
            self.tell(event);
        }
    }

    /// Shows a picture whose job has no logits of its own to the default classifier, now and then.
    fn classify_result(&mut self, last: bool) {
        let Some(run) = &self.run else { return };
        let seen_by_its_job = run.context.model.info.output.is_some();
        let due = last || self.classified.is_none_or(|at| at.elapsed() >= CLASSIFY_EVERY);
        let Some(picture) = run.view.result.clone().filter(|_| due && !seen_by_its_job) else { return };
        self.classified = Some(Instant::now());
        match guarded(|| self.classify(&picture)) {
            Ok((output, logits)) => {
                if let Some(run) = &mut self.run {
                    run.saw(&output, &logits);
                }
            }
            Err(error) => tracing::warn!(%error, "the picture could not be classified"),
        }
    }

    fn classify(&mut self, picture: &Picture) -> Result<(Output, Vec<f32>)> {
        let model = match &self.run {
            Some(run) if run.context.model.info.output.is_some() => run.context.model.clone(),
            _ => self.models.classifier()?,
        };
        Ok((model.info.classes()?.clone(), classify(&model, picture)?))
    }

    fn change_phase(&mut self, from: Phase, to: Phase) {
        let Some(run) = self.run.as_mut().filter(|r| r.course.phase == from) else { return };
        run.course.phase = to;
        let (run, step) = (run.id, run.course.step);
        self.keep(to == Phase::Paused);
        self.publish();
        self.tell(if to == Phase::Paused { Event::Paused { run, step } } else { Event::Resumed { run, step } });
    }

    fn set(&mut self, name: &str, value: ParamValue) -> Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        if run.takes_live(name)? {
            let event = run.set_live(name, value)?;
            self.publish();
            self.tell(event);
            return Ok(());
        }
        let mut spec = run.spec.clone();
        if AIMS.contains(&name) {
            aimed(&mut spec, name, &value);
        } else {
            if run.technique.params().iter().any(|p| p.name == name && matches!(p.kind, ParamKind::Preset { .. })) {
                // Another recipe is asked for as it is, without what was changed of the old one.
                spec.set.clear();
            }
            spec.set.insert(name.to_owned(), value);
        }
        self.start(spec)
    }

    /// Shows an earlier step; what is looked at does not move on by itself.
    fn look(&mut self, step: Option<usize>) {
        self.change_phase(Phase::Running, Phase::Paused);
        if let Some(run) = &mut self.run {
            run.look(step);
            self.publish();
        }
    }

    fn branch(&mut self, step: usize) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        if run.history.state(step).is_none() {
            let reason = "this run keeps no states to branch from";
            return Err(Error::bad_value("branch", format!("step {step}"), reason));
        }
        let beginning = run.beginning(self.runs + 1);
        let job = job(run.technique, &beginning.spec, beginning.params.clone(), run.context.clone(), None)?;
        let mut branch = Run::new(beginning, job);
        branch.branch_from(run, step)?;
        self.stop();
        self.retire();
        self.runs += 1;
        let started = Event::Started {
            run: branch.id,
            spec: Box::new(branch.spec.clone()),
            model: branch.context.model.info.clone(),
            params: branch.params.clone(),
        };
        let paused = (branch.course.phase == Phase::Paused).then_some(Event::Paused { run: branch.id, step });
        self.run = Some(branch);
        self.tell(started);
        self.publish();
        if let Some(event) = paused {
            self.tell(event);
        }
        Ok(())
    }

    /// Keeps of the present run what later ones are compared with.
    fn retire(&mut self) {
        if let Some(past) = self.run.take().and_then(|run| run.past()) {
            let skipped = (self.past.len() + 1).saturating_sub(PAST);
            self.past = self.past.iter().skip(skipped).cloned().chain([past]).collect();
        }
    }

    fn stop(&mut self) {
        if let Some(run) = self.run.as_mut().filter(|r| r.course.is_alive()) {
            run.end(Phase::Stopped);
            let event = Event::Stopped { run: run.id, step: run.course.step };
            self.keep(true);
            self.publish();
            self.tell(event);
        }
    }

    fn save(&mut self, folder: Option<PathBuf>, display: &Display, record: bool) -> Result<()> {
        let Some(run) = &self.run else {
            return Err(Error::bad_value("save", "", "there is no run to save yet"));
        };
        let own =
            || self.options.saves.join(format!("{}-{}-{}", run.technique.id(), registry::now(), run.course.step));
        let folder = folder.unwrap_or_else(own);
        let top_after = match run.view.result.clone() {
            Some(picture) => {
                let (output, logits) = self.classify(&picture)?;
                output.top(&logits, 5)
            }
            None => run.course.top.clone(),
        };
        let Some(run) = &self.run else { return Ok(()) };
        let around = Surroundings { machine: self.machine(), top_after };
        let (files, manifest) = save(run, around, &folder, display, record)?;
        let (id, delivery) = (run.id, Delivery { folder: folder.clone(), display: display.clone(), record });
        if let Some(run) = &mut self.run {
            run.origin.job.delivery = Some(delivery);
        }
        self.keep(false);
        self.tell(Event::Saved { run: id, folder, files, manifest: Box::new(manifest) });
        Ok(())
    }

    fn publish(&self) {
        if let Some(run) = &self.run {
            let kept = self.keeper.as_ref().and_then(|keeper| keeper.id(run.id)).map(str::to_owned);
            let snapshot = run.snapshot(self.machine(), self.past.clone());
            self.snapshots.send_replace(Arc::new(Snapshot { kept, ..snapshot }));
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more: then nobody minds.
        let _ = self.events.send(event);
    }
}
