//! One run: a job with its curves, marks and clocks.

use super::history::{Frame, History};
use crate::engine::protocol::{
    Branching, ClassName, Course, Event, InputRecord, JobSpec, Machine, Mark, MarkKind, ModelRecord, Origin,
    ParameterChange, Past, Phase, Photo, Series, Snapshot,
};
use crate::error::{Error, Result};
use crate::imaging::Area;
use crate::model::{Output, Scores};
use crate::techniques::{Aim, Context, Job, ParamValue, Params, Progress, Technique, View, spec};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps whose mean duration is shown.
const RECENT: usize = 20;

pub(in crate::engine) struct Run {
    pub id: u64,
    /// What it was made from.
    pub origin: Origin,
    /// What was asked for with the changes since: what a restart takes.
    pub spec: JobSpec,
    pub technique: &'static dyn Technique,
    pub context: Context,
    pub params: Params,
    pub aim: Aim,
    /// How far it is and what happened on its way.
    pub course: Course,
    /// What was there to see after the last good step.
    pub view: View,
    pub history: History,
    /// What the probabilities of its likeliest classes are.
    top_scores: Option<Scores>,
    /// The photo, small enough to be shown.
    photo: Option<Photo>,
    /// The earlier step that is looked at.
    shown: Option<usize>,
    /// Changes still to be made, by step.
    pub(super) script: VecDeque<ParameterChange>,
    /// The step to pause at, once.
    hold_at: Option<usize>,
    pub(super) job: Box<dyn Job>,
    pub(super) started: Instant,
    ended: Option<Duration>,
    pub(super) computing: Duration,
    pub(super) looked: usize,
    recent: VecDeque<Duration>,
    /// The figures of a run that had come to its end when it was taken up.
    pub(super) last_facts: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What [`Run::new`] needs beside the job.
#[derive(Clone)]
pub(in crate::engine) struct Beginning {
    pub id: u64,
    pub spec: JobSpec,
    pub technique: &'static dyn Technique,
    pub context: Context,
    pub params: Params,
    pub inputs: Vec<InputRecord>,
}

impl Run {
    pub fn new(beginning: Beginning, job: Box<dyn Job>) -> Self {
        let Beginning { id, spec, technique, context, params, inputs } = beginning;
        let origin = Origin {
            network: Some(ModelRecord::from(&*context.model.info)),
            job: spec.clone(),
            inputs,
            parameters: params.clone(),
            changes: vec![],
            branched_from: None,
        };
        Self {
            id,
            origin,
            script: spec.changes.clone().into(),
            spec: JobSpec { changes: vec![], until: None, ..spec },
            technique,
            aim: context.aim(),
            photo: context.picture.as_ref().map(Photo::new),
            context,
            params,
            course: Course { phase: Phase::Running, ..Course::default() },
            view: View::default(),
            history: History::default(),
            top_scores: None,
            shown: None,
            hold_at: None,
            job,
            started: Instant::now(),
            ended: None,
            computing: Duration::ZERO,
            looked: 0,
            recent: VecDeque::new(),
            last_facts: None,
        }
    }

    /// The beginning of a run that is to leave this one.
    pub fn beginning(&self, id: u64) -> Beginning {
        Beginning {
            id,
            spec: JobSpec { until: None, ..self.origin.job.clone() },
            technique: self.technique,
            context: self.context.clone(),
            params: self.origin.parameters.clone(),
            inputs: self.origin.inputs.clone(),
        }
    }

    /// Goes to where `other` was at `step`: at once to the last state it kept up to there, and from that through the
    /// same steps to a pause. `self` has the other one's beginning.
    pub fn branch_from(&mut self, other: &Self, step: usize) -> Result<()> {
        let Some((kept, state)) = other.history.state(step) else { return Ok(()) };
        self.origin.branched_from = Some(Branching { run: other.id, step });
        // What was changed at the step itself came after its picture.
        self.script = other.origin.changes.iter().chain(&other.script).filter(|c| c.step < step).cloned().collect();
        self.looked = 1;
        self.follow_script(kept.checked_sub(1))?;
        self.job.load_state(state)?;
        self.hold_at = Some(step).filter(|step| *step > kept);
        self.course.step = kept;
        self.course.total = other.course.total;
        self.view = self.job.view()?;
        self.history = other.history.up_to(kept);
        let cut = |series: &Series| Series { name: series.name.clone(), points: series.points.up_to(kept) };
        self.course.series = other.course.series.iter().map(cut).collect();
        self.course.marks = other.course.marks.iter().filter(|m| m.step <= kept && m.step < step).cloned().collect();
        self.course.marks.push(Mark { step, kind: MarkKind::Branched { run: other.id } });
        self.course.top_before.clone_from(&other.course.top_before);
        self.course.top = other.history.frame(kept).map_or_else(Vec::new, |frame| frame.top.clone());
        if self.hold_at.is_none() {
            self.course.phase = Phase::Paused;
        }
        Ok(())
    }

    /// One step of the job. A figure that is not a finite number ends the run before its picture is taken over.
    pub fn advance(&mut self) -> Result<()> {
        let began = Instant::now();
        self.shown = None;
        if self.looked > 0 {
            self.follow_script(Some(self.course.step))?;
        }
        let progress = self.job.step()?;
        check(&progress)?;
        self.view = self.job.view()?;
        let took = began.elapsed();
        self.computing += took;
        self.looked += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(took);
        self.take(progress);
        if let Some(picture) = self.view.result.clone() {
            let frame = Frame { step: self.course.step, picture, top: self.course.top.clone() };
            let job = &self.job;
            self.history.note(frame, || job.save_state());
        }
        Ok(())
    }

    /// Makes the changes that are due up to a step.
    fn follow_script(&mut self, up_to: Option<usize>) -> Result<()> {
        while let Some(change) = self.script.front().filter(|c| Some(c.step) <= up_to).cloned() {
            self.script.pop_front();
            let now = std::mem::replace(&mut self.course.step, change.step);
            let outcome = self.set_live(&change.name, change.value);
            self.course.step = now;
            outcome?;
        }
        Ok(())
    }

    fn take(&mut self, progress: Progress) {
        (self.course.step, self.course.total) = (progress.step, progress.total);
        for (name, value) in progress.figures {
            let point = (progress.step, value);
            match self.course.series.iter_mut().find(|s| s.name == name) {
                Some(series) => series.points.push(point),
                None => self.course.series.push(Series { name: name.to_owned(), points: vec![point].into() }),
            }
        }
        self.course
            .marks
            .extend(progress.notes.into_iter().map(|text| Mark { step: progress.step, kind: MarkKind::Note(text) }));
        if let (Some(logits), Some(output)) = (progress.logits, self.context.model.info.output.clone()) {
            self.saw(&output, &logits);
        }
        if progress.done || self.origin.job.until.is_some_and(|until| self.course.step >= until) {
            self.end(Phase::Finished);
        } else if self.hold_at.take_if(|at| *at <= progress.step).is_some() {
            self.course.phase = Phase::Paused;
        }
    }

    /// Takes over what a classifier made of the present picture.
    pub fn saw(&mut self, output: &Output, logits: &[f32]) {
        self.course.top = output.top(logits, 5);
        self.top_scores = Some(output.scores);
        if self.course.top_before.is_empty() {
            self.course.top_before.clone_from(&self.course.top);
        }
    }

    pub fn end(&mut self, phase: Phase) {
        self.course.phase = phase;
        self.ended = Some(self.started.elapsed());
    }

    pub fn fail(&mut self, error: &Error) -> Event {
        self.end(Phase::Failed);
        let message = error.to_string();
        self.course.failure = Some(message.clone());
        if let Error::Diverged { good: Some(good), .. } = error
            && let Some(frame) = self.history.frame(*good)
        {
            // What has gone wrong had been going wrong for a while.
            self.view.result = Some(frame.picture.clone());
            self.course.top.clone_from(&frame.top);
        }
        Event::Failed { run: self.id, step: self.course.step, kind: error.into(), message }
    }

    /// Whether `name` takes effect without starting anew, now.
    pub fn takes_live(&self, name: &str) -> Result<bool> {
        if AIMS.contains(&name) {
            return Ok(self.technique.steered().contains(&name) && self.course.is_alive());
        }
        Ok(spec(self.technique.params(), name)?.live && self.course.is_alive())
    }

    /// Changes a live parameter or a part of the aim.
    pub fn set_live(&mut self, name: &str, value: ParamValue) -> Result<Event> {
        let (mut params, mut aim) = (self.params.clone(), self.aim.clone());
        let info = self.context.model.info.clone();
        let label = |class| info.label(class);
        let is_class = name == "class" || name == "target";
        let value = if is_class { ParamValue::Int(self.class_of(name, &value)? as i64) } else { value };
        let class = self.class_of(name, &value).ok().filter(|_| is_class);
        let old = match (name, class) {
            ("class", Some(class)) => aim.class.replace(class).map(label),
            ("target", Some(class)) => aim.target.replace(class).map(label),
            ("layer", _) => aim.layer.replace(value.to_string().into()).map(|l| l.to_string()),
            _ => params.get(name).map(ToString::to_string),
        };
        if !AIMS.contains(&name) {
            params.set(self.technique.params(), name, value.clone())?;
        }
        self.job.set(&params, &aim)?;
        (self.params, self.aim) = (params, aim);
        let value = self.params.get(name).cloned().unwrap_or(value);
        aimed(&mut self.spec, name, &value);
        if !AIMS.contains(&name) {
            self.spec.set.insert(name.to_owned(), value.clone());
        }
        if self.looked == 0 {
            // Nothing has been done with the old value.
            self.origin.parameters.clone_from(&self.params);
            let (changes, until) = (self.origin.job.changes.clone(), self.origin.job.until);
            self.origin.job = JobSpec { changes, until, ..self.spec.clone() };
            return Ok(Event::Changed { run: self.id, step: 0, name: name.to_owned(), value });
        }
        // Several changes between two steps are one: only the last counts.
        let step = self.course.step;
        self.origin.changes.retain(|c| c.step != step || c.name != name);
        self.origin.changes.push(ParameterChange { step, name: name.to_owned(), value: value.clone() });
        let new = class.map_or_else(|| value.to_string(), label);
        self.note_change(name, old.unwrap_or_default(), new);
        Ok(Event::Changed { run: self.id, step: self.course.step, name: name.to_owned(), value })
    }

    /// Marks a change; several between two steps are one, from the first value to the last.
    fn note_change(&mut self, name: &str, old: String, new: String) {
        let (step, name, marks) = (self.course.step, name.to_owned(), &mut self.course.marks);
        let before = marks.iter().position(|mark| {
            mark.step == step && matches!(&mark.kind, MarkKind::Changed { name: own, .. } if *own == name)
        });
        let from = match before.map(|at| marks.remove(at).kind) {
            Some(MarkKind::Changed { from, .. }) => from,
            _ => old,
        };
        marks.push(Mark { step, kind: MarkKind::Changed { name, from, to: new } });
    }

    /// The class that is named as the value of a part of the aim.
    fn class_of(&self, name: &str, value: &ParamValue) -> Result<usize> {
        let labels = &self.context.model.info.classes()?.labels;
        let class = match value {
            ParamValue::Int(v) => usize::try_from(*v).ok().map(ClassName::Index),
            ParamValue::Text(text) => Some(ClassName::from(text.as_str())),
            ParamValue::Float(_) => None,
        };
        let expected = || format!("it takes a class's index, from 0 to {}", labels.len().saturating_sub(1));
        class.ok_or_else(|| Error::bad_value(name, value, expected()))?.among(labels)
    }

    /// Shows an earlier step, or the present one again.
    pub fn look(&mut self, step: Option<usize>) {
        self.shown =
            step.and_then(|step| self.history.frame(step)).map(|f| f.step).filter(|s| *s != self.course.step);
    }

    /// What is left of it when another run takes its place.
    pub fn past(&self) -> Option<Past> {
        let result = self.view.result.clone().filter(|_| self.course.step > 0)?;
        Some(Past {
            run: self.id,
            technique: self.technique.id().to_owned(),
            step: self.course.step,
            result,
            series: self.course.series.clone(),
            params: self.params.clone(),
        })
    }

    pub fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        self.last_facts.clone().unwrap_or_else(|| self.job.facts())
    }

    pub fn wall_seconds(&self) -> f64 {
        self.ended.unwrap_or_else(|| self.started.elapsed()).as_secs_f64()
    }

    /// Mean milliseconds of every step so far.
    pub fn mean_ms(&self) -> f64 {
        self.computing.as_secs_f64() * 1e3 / self.looked.max(1) as f64
    }

    fn recent_ms(&self) -> f64 {
        let total: Duration = self.recent.iter().sum();
        total.as_secs_f64() * 1e3 / self.recent.len().max(1) as f64
    }

    /// The part of a photo of that width and height that the network sees.
    pub fn seen(&self, [width, height]: [u32; 2]) -> Area {
        let input = self.context.model.input();
        if self.view.cropped { input.resize.area((width, height), input.size) } else { Area::whole(width, height) }
    }

    pub fn snapshot(&self, machine: Machine, past: Arc<[Past]>) -> Snapshot {
        let looked_at = self.shown.and_then(|step| self.history.frame(step));
        let (mut view, mut course) = (self.view.clone(), self.course.clone());
        if let Some(frame) = looked_at {
            view.result = Some(frame.picture.clone());
            view.perturbation = None;
            view.findings.clear();
            course.top.clone_from(&frame.top);
        }
        Snapshot {
            run: self.id,
            technique: self.technique.id().to_owned(),
            model: self.context.model.id().to_owned(),
            machine,
            course,
            ms_per_step: self.recent_ms(),
            busy_ms: 0,
            photo: self.photo.clone().map(|photo| Photo { seen: self.seen(photo.size), ..photo }),
            style: self.context.styles.first().cloned(),
            view,
            top_scores: self.top_scores.or(self.context.model.info.output.as_ref().map(|output| output.scores)),
            params: self.params.clone(),
            about: self.aim.target.or(self.aim.class),
            history: self.history.steps(),
            shown: self.shown,
            branches: self.history.state(0).is_some(),
            past,
            kept: None,
        }
    }
}

/// The parts of a run's aim, by the names they are set with.
pub(in crate::engine) const AIMS: [&str; 3] = ["class", "target", "layer"];

/// Turns what is asked for to another class, target or layer.
pub(in crate::engine) fn aimed(spec: &mut JobSpec, name: &str, value: &ParamValue) {
    match (name, value) {
        ("class", ParamValue::Int(v)) => spec.class = usize::try_from(*v).ok().map(ClassName::Index),
        ("target", ParamValue::Int(v)) => spec.target = usize::try_from(*v).ok().map(ClassName::Index),
        ("class", ParamValue::Text(v)) => spec.class = Some(v.as_str().into()),
        ("target", ParamValue::Text(v)) => spec.target = Some(v.as_str().into()),
        ("layer", ParamValue::Text(v)) => spec.layer = Some(v.clone()),
        _ => {}
    }
}

fn check(progress: &Progress) -> Result<()> {
    let broken = |what: &str| Error::Diverged {
        what: format!("{what} is no longer a finite number"),
        step: progress.step,
        good: None,
    };
    if let Some((name, _)) = progress.figures.iter().find(|(_, value)| !value.is_finite()) {
        return Err(broken(name));
    }
    if progress.logits.as_ref().is_some_and(|z| z.iter().any(|z| !z.is_finite())) {
        return Err(broken("the logits"));
    }
    Ok(())
}
