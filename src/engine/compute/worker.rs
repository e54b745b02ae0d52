//! The computing thread: one run at a time, commands between steps.

use super::sources::{Models, read_picture};
use super::task::Options;
use crate::engine::protocol::{
    Command, Compared, Delivery, Event, FailureKind, JobSpec, Past, Phase, Snapshot, Source,
};
use crate::engine::run::{AIMS, Beginning, Run, aimed};
use crate::engine::store::keeper::{Keeper, take_up};
use crate::engine::store::registry;
use crate::engine::store::save::{Surroundings, save};
use crate::error::{Error, Result};
use crate::imaging::{Display, HeatMap, Picture};
use crate::model::Output;
use crate::techniques::evaluation::{Evaluation, evaluate};
use crate::techniques::{
    Context, Job, Need, ParamKind, ParamValue, Params, TECHNIQUES, Technique, Variation, classify, compare, find,
    method,
};
use candle_core::Device;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    models: Models,
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
            models: Models::new(options.models, device),
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
            let running = self.run.as_ref().is_some_and(|r| r.phase == Phase::Running);
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
        let outcome = match command {
            Command::Start(spec) => {
                self.stop();
                self.start(*spec);
                Ok(())
            }
            Command::Restart => {
                if let Some(run) = &self.run {
                    let spec = run.spec.clone();
                    self.stop();
                    self.start(spec);
                }
                Ok(())
            }
            Command::Pause => {
                self.change_phase(Phase::Running, Phase::Paused);
                Ok(())
            }
            Command::Resume => {
                self.change_phase(Phase::Paused, Phase::Running);
                Ok(())
            }
            Command::Step => {
                if self.run.as_ref().is_some_and(|r| r.phase == Phase::Paused) {
                    self.step();
                }
                Ok(())
            }
            Command::Set { name, value } => self.set(&name, value),
            Command::Stop => {
                self.stop();
                Ok(())
            }
            Command::Look { step } => {
                self.look(step);
                Ok(())
            }
            Command::Branch { step } => guarded(|| self.branch(step)),
            Command::Restore { folder } => {
                self.stop();
                guarded(|| self.restore(&folder))
            }
            Command::Keep => {
                self.keep(true);
                self.publish();
                let name = self.snapshots.borrow().kept.clone();
                self.tell(Event::Kept { name });
                Ok(())
            }
            Command::Save { folder, display, record } => self.save(folder, &display, record),
            Command::Shutdown => Ok(()),
        };
        if let Err(error) = outcome {
            self.tell(Event::Refused { kind: FailureKind::from(&error), message: error.to_string() });
        }
    }

    fn start(&mut self, spec: JobSpec) {
        self.runs += 1;
        self.classified = None;
        let failed_spec = spec.clone();
        if let Err(error) = guarded(|| self.try_start(spec)) {
            let snapshot = Snapshot {
                run: self.runs,
                phase: Phase::Failed,
                technique: failed_spec.technique,
                failure: Some(error.to_string()),
                ..(**self.snapshots.borrow()).clone()
            };
            self.snapshots.send_replace(Arc::new(snapshot));
            let kind = FailureKind::from(&error);
            self.tell(Event::Failed { run: self.runs, step: 0, kind, message: error.to_string() });
        }
    }

    fn try_start(&mut self, spec: JobSpec) -> Result<()> {
        self.prepare(spec)?;
        self.publish();
        Ok(())
    }

    /// Takes up a run that is kept in a folder.
    fn restore(&mut self, folder: &Path) -> Result<()> {
        self.runs += 1;
        self.classified = None;
        let kept = take_up(folder)?;
        let (kept_at, saved) = (kept.saved.step, &kept.saved);
        self.prepare(saved.asked.clone().from_folder(&saved.folder))?;
        if self.weights() != saved.weights {
            self.run = None;
            let reason = "the run was made with other weights than these";
            return Err(Error::bad_value("run", folder.display(), reason));
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        if let Err(error) = run.restore(kept.saved, kept.state, kept.first.as_ref(), kept.pictures) {
            self.run = None;
            return Err(error);
        }
        let (id, step, phase) = (run.id, run.step, run.phase);
        if let Some(keeper) = &mut self.keeper {
            keeper.adopt(run, folder, kept_at, kept.lock);
        }
        self.publish();
        if phase == Phase::Finished {
            // Its process may have been killed between the last checkpoint and the note of it.
            self.keep(true);
        }
        self.tell(match phase {
            Phase::Paused => Event::Paused { run: id, step },
            Phase::Finished => Event::Finished { run: id, step },
            _ => Event::Resumed { run: id, step },
        });
        Ok(())
    }

    /// SHA-256 of the present run's weights.
    fn weights(&self) -> String {
        self.run.as_ref().map(|run| run.context.model.info.provenance.sha256.clone()).unwrap_or_default()
    }

    /// Keeps the present run on the disk, at once or if that is due.
    fn keep(&mut self, now: bool) {
        if let (Some(run), Some(keeper)) = (&self.run, &mut self.keeper) {
            keeper.keep(run, now);
        }
    }

    /// Makes the job of `spec` the present run.
    fn prepare(&mut self, spec: JobSpec) -> Result<()> {
        let known = self.run.as_ref().and_then(|run| map_to_score(run, &spec));
        self.retire();
        let technique = find(self.options.techniques, &spec.technique)?;
        let params = Params::new(technique.params(), &spec.set)?;
        let needs = technique.needs();
        let model = spec.model.clone().unwrap_or_else(|| technique.default_model().to_owned());
        self.snapshots.send_modify(|s| {
            *s = Arc::new(Snapshot {
                run: self.runs,
                phase: Phase::Loading,
                technique: technique.id().to_owned(),
                model: model.clone(),
                device: self.options.device.clone(),
                threads: self.threads,
                params: params.clone(),
                past: self.past.clone(),
                ..Snapshot::default()
            });
        });
        let mut inputs = vec![];
        let mut read = |sources: &[Source], wanted: bool, role| -> Result<Vec<Picture>> {
            let mut read_one = |source| {
                let (picture, record) = read_picture(source, role)?;
                inputs.push(record);
                Ok(picture)
            };
            if wanted { sources.iter().map(&mut read_one).collect() } else { Ok(vec![]) }
        };
        let picture = read(spec.picture.as_slice(), needs.picture != Need::None, "picture")?.pop();
        let others = read(&spec.others, needs.together, "picture")?;
        let styles = read(&spec.styles, needs.style != Need::None, "style")?;
        let mask = read(spec.mask.as_slice(), needs.mask != Need::None, "mask")?.pop();
        let init = read(spec.init.as_slice(), needs.init != Need::None, "init")?.pop();
        // The photo is on the screen while the network is still being read.
        self.snapshots.send_modify(|s| {
            let (input, style) = (picture.clone(), styles.first().cloned());
            *s = Arc::new(Snapshot { input, style, ..(**s).clone() });
        });
        let model = self.models.get(&model, spec.weights.as_deref())?;
        self.tell(Event::Started {
            run: self.runs,
            spec: Box::new(spec.clone()),
            model: model.info.clone(),
            params: params.clone(),
        });
        let context = Context {
            model,
            picture,
            others,
            styles,
            mask,
            init,
            class: spec.class,
            target: spec.target,
            layer: spec.layer.clone().map(Into::into),
            seed: spec.seed,
        };
        let job = begin(technique, &spec, params.clone(), context.clone(), known)?;
        let beginning = Beginning { id: self.runs, spec, technique, context, params, inputs };
        self.run = Some(Run::new(beginning, job));
        Ok(())
    }

    fn step(&mut self) {
        let Some(run) = &mut self.run else { return };
        let before = run.phase;
        let event = match guarded(|| run.advance()) {
            Ok(()) if run.phase == Phase::Finished => Some(Event::Finished { run: run.id, step: run.step }),
            Ok(()) if run.phase != before => Some(Event::Paused { run: run.id, step: run.step }),
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
        let Some(run) = self.run.as_mut().filter(|r| r.phase == from) else { return };
        run.phase = to;
        let (run, step) = (run.id, run.step);
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
            // Checked before the present run is given up.
            Params::new(run.technique.params(), &spec.set)?;
        }
        self.stop();
        self.start(spec);
        Ok(())
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
        let job = begin(run.technique, &beginning.spec, beginning.params.clone(), run.context.clone(), None)?;
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
        let paused = (branch.phase == Phase::Paused).then_some(Event::Paused { run: branch.id, step });
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
        if let Some(run) = self.run.as_mut().filter(|r| r.is_alive()) {
            run.end(Phase::Stopped);
            let event = Event::Stopped { run: run.id, step: run.step };
            self.keep(true);
            self.publish();
            self.tell(event);
        }
    }

    fn save(&mut self, folder: Option<PathBuf>, display: &Display, record: bool) -> Result<()> {
        let Some(run) = &self.run else {
            return Err(Error::bad_value("save", "", "there is no run to save yet"));
        };
        let own = || self.options.saves.join(format!("{}-{}-{}", run.technique.id(), registry::now(), run.step));
        let folder = folder.unwrap_or_else(own);
        let top_after = match run.view.result.clone() {
            Some(picture) => {
                let (output, logits) = guarded(|| self.classify(&picture))?;
                output.top(&logits, 5)
            }
            None => run.top.clone(),
        };
        let Some(run) = &self.run else { return Ok(()) };
        let around = Surroundings { device: &self.options.device, threads: self.threads, top_after };
        let (files, manifest) = save(run, around, &folder, display, record)?;
        let (id, delivery) = (run.id, Delivery { folder: folder.clone(), display: display.clone(), record });
        if let Some(run) = &mut self.run {
            run.asked.delivery = Some(delivery);
        }
        self.keep(false);
        self.tell(Event::Saved { run: id, folder, files, manifest: Box::new(manifest) });
        Ok(())
    }

    fn publish(&self) {
        if let Some(run) = &self.run {
            let kept = self.keeper.as_ref().and_then(|keeper| keeper.id(run.id)).map(str::to_owned);
            let snapshot = run.snapshot(&self.options.device, self.threads, self.past.clone());
            self.snapshots.send_replace(Arc::new(Snapshot { kept, ..snapshot }));
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more: then nobody minds.
        let _ = self.events.send(event);
    }
}

/// The job that `spec` asks for: a technique, several maps side by side, or a map and its scores.
fn begin(
    technique: &'static dyn Technique,
    spec: &JobSpec,
    params: Params,
    context: Context,
    known: Option<HeatMap>,
) -> Result<Box<dyn Job>> {
    let as_method = |technique: &'static dyn Technique| {
        let reason = "only attribution methods can be compared and scored";
        method(technique).ok_or_else(|| Error::bad_value("technique", technique.id(), reason))
    };
    if let Some(score) = &spec.score {
        let (metrics, target) = (score.metrics.clone(), score.target);
        return evaluate(context, Evaluation { method: as_method(technique)?, params, metrics, target, known });
    }
    if spec.compare.is_empty() {
        return technique.start(context, params);
    }
    let variation = |compared: &Compared| -> Result<Variation> {
        let other = find(TECHNIQUES, &compared.technique)?;
        let params = if other.id() == technique.id() {
            params.clone()
        } else {
            Params::new(other.params(), &BTreeMap::new())?
        };
        let class = compared.class.or(spec.class);
        let layer = compared.layer.as_deref().map(Into::into).or_else(|| context.layer.clone());
        Ok(Variation { method: as_method(other)?, params, class, layer })
    };
    let variations = spec.compare.iter().map(variation).collect::<Result<Vec<_>>>()?;
    compare(context.clone(), variations)
}

/// The map of a run, if `spec` asks for nothing but its scores.
fn map_to_score(run: &Run, spec: &JobSpec) -> Option<HeatMap> {
    spec.score.as_ref()?;
    let made = JobSpec { score: spec.score.clone(), ..run.spec.clone() };
    run.view.heat.clone().filter(|_| made == *spec)
}

/// Turns a panic inside a job into an error: the engine and whoever watches it live on.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Error::Compute(candle_core::Error::Msg(format!("a fault in the program itself: {text}"))))
    })
}
