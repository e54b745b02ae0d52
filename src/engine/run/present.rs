//! One run: a job with its curves, marks and clocks.

use super::history::{Frame, History};
use crate::engine::protocol::{Branching, InputRecord, ParameterChange};
use crate::engine::protocol::{Event, JobSpec, Mark, Past, Phase, Series, Snapshot};
use crate::error::{Error, Result};
use crate::model::{Output, Prediction};
use crate::techniques::{Aim, Context, Job, ParamValue, Params, Progress, Technique, View, spec};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps whose mean duration is shown.
const RECENT: usize = 20;

pub(in crate::engine) struct Run {
    pub id: u64,
    /// What was asked for.
    pub asked: JobSpec,
    /// The same with the changes since: what a restart takes.
    pub spec: JobSpec,
    pub technique: &'static dyn Technique,
    pub context: Context,
    pub params: Params,
    /// The parameters before any change.
    pub first_params: Params,
    pub aim: Aim,
    pub changes: Vec<ParameterChange>,
    pub branched_from: Option<Branching>,
    pub inputs: Vec<InputRecord>,
    pub phase: Phase,
    pub step: usize,
    pub total: usize,
    /// What was there to see after the last good step.
    pub view: View,
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
    pub top: Vec<Prediction>,
    pub top_before: Vec<Prediction>,
    pub failure: Option<String>,
    pub history: History,
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
        Self {
            id,
            asked: spec.clone(),
            script: spec.changes.clone().into(),
            spec: JobSpec { changes: vec![], until: None, ..spec },
            technique,
            aim: context.aim(),
            context,
            first_params: params.clone(),
            params,
            changes: vec![],
            branched_from: None,
            inputs,
            phase: Phase::Running,
            step: 0,
            total: 0,
            view: View::default(),
            series: vec![],
            marks: vec![],
            top: vec![],
            top_before: vec![],
            failure: None,
            history: History::default(),
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
            spec: JobSpec { until: None, ..self.asked.clone() },
            technique: self.technique,
            context: self.context.clone(),
            params: self.first_params.clone(),
            inputs: self.inputs.clone(),
        }
    }

    /// Goes to where `other` was at `step`: at once to the last state it kept up to there, and from that through the
    /// same steps to a pause. `self` has the other one's beginning.
    pub fn branch_from(&mut self, other: &Self, step: usize) -> Result<()> {
        let Some((kept, state)) = other.history.state(step) else { return Ok(()) };
        self.branched_from = Some(Branching { run: other.id, step });
        // What was changed at the step itself came after its picture.
        self.script = other.changes.iter().chain(&other.script).filter(|c| c.step < step).cloned().collect();
        self.looked = 1;
        self.follow_script(kept.checked_sub(1))?;
        self.job.load_state(state)?;
        self.hold_at = Some(step).filter(|step| *step > kept);
        self.step = kept;
        self.total = other.total;
        self.view = self.job.view()?;
        self.history = other.history.up_to(kept);
        self.series.clone_from(&other.series);
        for series in &mut self.series {
            series.points.retain(|(at, _)| *at <= kept);
        }
        self.marks = other.marks.iter().filter(|m| m.step <= kept && m.step < step).cloned().collect();
        self.marks.push(Mark { step, text: format!("branched from run {}", other.id) });
        self.top_before.clone_from(&other.top_before);
        self.top = other.history.frame(kept).map_or_else(Vec::new, |frame| frame.top.clone());
        if self.hold_at.is_none() {
            self.phase = Phase::Paused;
        }
        Ok(())
    }

    /// One step of the job. A figure that is not a finite number ends the run before its picture is taken over.
    pub fn advance(&mut self) -> Result<()> {
        let began = Instant::now();
        self.shown = None;
        if self.looked > 0 {
            self.follow_script(Some(self.step))?;
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
            let frame = Frame { step: self.step, picture, top: self.top.clone() };
            let job = &self.job;
            self.history.note(frame, || job.save_state());
        }
        Ok(())
    }

    /// Makes the changes that are due up to a step.
    fn follow_script(&mut self, up_to: Option<usize>) -> Result<()> {
        while let Some(change) = self.script.front().filter(|c| Some(c.step) <= up_to).cloned() {
            self.script.pop_front();
            let now = std::mem::replace(&mut self.step, change.step);
            let outcome = self.set_live(&change.name, change.value);
            self.step = now;
            outcome?;
        }
        Ok(())
    }

    fn take(&mut self, progress: Progress) {
        (self.step, self.total) = (progress.step, progress.total);
        for (name, value) in progress.figures {
            let point = (progress.step, value);
            match self.series.iter_mut().find(|s| s.name == name) {
                Some(series) => series.points.push(point),
                None => self.series.push(Series { name: name.to_owned(), points: vec![point] }),
            }
        }
        self.marks.extend(progress.notes.into_iter().map(|text| Mark { step: progress.step, text }));
        if let (Some(logits), Some(output)) = (progress.logits, self.context.model.info.output.clone()) {
            self.saw(&output, &logits);
        }
        if progress.done || self.asked.until.is_some_and(|until| self.step >= until) {
            self.end(Phase::Finished);
        } else if self.hold_at.take_if(|at| *at <= progress.step).is_some() {
            self.phase = Phase::Paused;
        }
    }

    /// Takes over what a classifier made of the present picture.
    pub fn saw(&mut self, output: &Output, logits: &[f32]) {
        self.top = output.top(logits, 5);
        if self.top_before.is_empty() {
            self.top_before.clone_from(&self.top);
        }
    }

    pub fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.ended = Some(self.started.elapsed());
    }

    pub fn fail(&mut self, error: &Error) -> Event {
        self.end(Phase::Failed);
        let message = error.to_string();
        self.failure = Some(message.clone());
        if let Error::Diverged { good: Some(good), .. } = error
            && let Some(frame) = self.history.frame(*good)
        {
            // What has gone wrong had been going wrong for a while.
            self.view.result = Some(frame.picture.clone());
            self.top.clone_from(&frame.top);
        }
        Event::Failed { run: self.id, step: self.step, kind: error.into(), message }
    }

    /// Whether steps may still come.
    pub fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// Whether `name` takes effect without starting anew, now.
    pub fn takes_live(&self, name: &str) -> Result<bool> {
        if AIMS.contains(&name) {
            return Ok(self.technique.steered().contains(&name) && self.is_alive());
        }
        Ok(spec(self.technique.params(), name)?.live && self.is_alive())
    }

    /// Changes a live parameter or a part of the aim.
    pub fn set_live(&mut self, name: &str, value: ParamValue) -> Result<Event> {
        let (mut params, mut aim) = (self.params.clone(), self.aim.clone());
        let info = self.context.model.info.clone();
        let label = |class| info.label(class);
        let old = match name {
            "class" => aim.class.replace(self.index(name, &value)?).map(label),
            "target" => aim.target.replace(self.index(name, &value)?).map(label),
            "layer" => aim.layer.replace(value.to_string().into()).map(|l| l.to_string()),
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
            self.first_params.clone_from(&self.params);
            self.asked =
                JobSpec { changes: self.asked.changes.clone(), until: self.asked.until, ..self.spec.clone() };
            return Ok(Event::Changed { run: self.id, step: 0, name: name.to_owned(), value });
        }
        // Several changes between two steps are one: only the last counts.
        self.changes.retain(|c| c.step != self.step || c.name != name);
        self.changes.push(ParameterChange { step: self.step, name: name.to_owned(), value: value.clone() });
        let new =
            if name == "class" || name == "target" { label(self.index(name, &value)?) } else { value.to_string() };
        let text = match self.marks.iter().position(|m| m.step == self.step && m.text.starts_with(name)) {
            Some(at) => {
                let mark = self.marks.remove(at);
                let first = mark.text.split(" → ").next().unwrap_or_default().to_owned();
                format!("{first} → {new}")
            }
            None => format!("{name} {} → {new}", old.unwrap_or_default()),
        };
        self.marks.push(Mark { step: self.step, text });
        Ok(Event::Changed { run: self.id, step: self.step, name: name.to_owned(), value })
    }

    /// The index of a class that is named as the value of a part of the aim.
    fn index(&self, name: &str, value: &ParamValue) -> Result<usize> {
        let count = self.context.model.info.classes()?.count();
        match value {
            ParamValue::Int(v) if (0..count as i64).contains(v) => Ok(*v as usize),
            _ => {
                let expected = format!("it takes a class's index, from 0 to {}", count.saturating_sub(1));
                Err(Error::bad_value(name, value, expected))
            }
        }
    }

    /// Shows an earlier step, or the present one again.
    pub fn look(&mut self, step: Option<usize>) {
        self.shown = step.and_then(|step| self.history.frame(step)).map(|f| f.step).filter(|s| *s != self.step);
    }

    /// What is left of it when another run takes its place.
    pub fn past(&self) -> Option<Past> {
        let result = self.view.result.clone().filter(|_| self.step > 0)?;
        Some(Past {
            run: self.id,
            technique: self.technique.id().to_owned(),
            step: self.step,
            result,
            series: self.series.clone(),
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

    pub fn snapshot(&self, device: &str, threads: usize, past: Arc<[Past]>) -> Snapshot {
        let looked_at = self.shown.and_then(|step| self.history.frame(step));
        let view = &self.view;
        Snapshot {
            run: self.id,
            phase: self.phase,
            technique: self.technique.id().to_owned(),
            model: self.context.model.id().to_owned(),
            device: device.to_owned(),
            threads,
            step: self.step,
            total: self.total,
            ms_per_step: self.recent_ms(),
            busy_ms: 0,
            input: view.input.clone().or_else(|| self.context.picture.clone()),
            style: self.context.styles.first().cloned(),
            result: looked_at.map(|f| f.picture.clone()).or_else(|| view.result.clone()),
            perturbation: view.perturbation.clone().filter(|_| looked_at.is_none()),
            findings: view.findings.clone(),
            heat: view.heat.clone(),
            panels: view.panels.clone(),
            similarity: view.similarity.clone(),
            scores: view.scores.clone(),
            series: self.series.clone(),
            marks: self.marks.clone(),
            top: looked_at.map_or(&self.top, |f| &f.top).clone(),
            params: self.params.clone(),
            about: self.aim.target.or(self.aim.class),
            history: self.history.steps(),
            shown: self.shown,
            branches: self.history.state(0).is_some(),
            past,
            failure: self.failure.clone(),
            kept: None,
        }
    }
}

/// The parts of a run's aim, by the names they are set with.
pub(in crate::engine) const AIMS: [&str; 3] = ["class", "target", "layer"];

/// Turns what is asked for to another class, target or layer.
pub(in crate::engine) fn aimed(spec: &mut JobSpec, name: &str, value: &ParamValue) {
    match (name, value) {
        ("class", ParamValue::Int(v)) => spec.class = usize::try_from(*v).ok(),
        ("target", ParamValue::Int(v)) => spec.target = usize::try_from(*v).ok(),
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
