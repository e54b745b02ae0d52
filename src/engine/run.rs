//! One run: a job with its curves, marks and clocks.

use super::manifest::{InputRecord, ParameterChange};
use super::message::{Event, JobSpec, Mark, Phase, Prediction, Series, Snapshot, top_predictions};
use crate::error::{Error, Result};
use crate::imaging::Picture;
use crate::nets::{LayerName, Network};
use crate::techniques::{Job, ParamValue, Params, Progress, Technique, View, spec};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps whose mean duration is shown.
const RECENT: usize = 20;

pub(super) struct Run {
    pub id: u64,
    pub spec: JobSpec,
    pub technique: &'static dyn Technique,
    pub network: Arc<Network>,
    pub params: Params,
    /// The parameters before any change.
    pub first_params: Params,
    pub changes: Vec<ParameterChange>,
    pub inputs: Vec<InputRecord>,
    pub style: Option<Picture>,
    pub photo: Option<Picture>,
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
    layers: Arc<[String]>,
    job: Box<dyn Job>,
    started: Instant,
    ended: Option<Duration>,
    computing: Duration,
    looked: usize,
    recent: VecDeque<Duration>,
}

/// What [`Run::new`] needs beside the job.
pub(super) struct Beginning {
    pub id: u64,
    pub spec: JobSpec,
    pub technique: &'static dyn Technique,
    pub network: Arc<Network>,
    pub params: Params,
    pub inputs: Vec<InputRecord>,
    pub photo: Option<Picture>,
    pub style: Option<Picture>,
}

impl Run {
    pub fn new(beginning: Beginning, job: Box<dyn Job>) -> Self {
        let Beginning { id, spec, technique, network, params, inputs, photo, style } = beginning;
        Self {
            layers: layers(&network),
            id,
            spec,
            technique,
            network,
            first_params: params.clone(),
            params,
            changes: vec![],
            inputs,
            style,
            photo,
            phase: Phase::Running,
            step: 0,
            total: 0,
            view: View::default(),
            series: vec![],
            marks: vec![],
            top: vec![],
            top_before: vec![],
            failure: None,
            job,
            started: Instant::now(),
            ended: None,
            computing: Duration::ZERO,
            looked: 0,
            recent: VecDeque::new(),
        }
    }

    /// One step of the job. A figure that is not a finite number ends the run before its picture is taken over.
    pub fn advance(&mut self) -> Result<()> {
        let began = Instant::now();
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
        if let Some(logits) = progress.logits {
            self.saw(&logits);
        }
        if progress.done {
            self.end(Phase::Finished);
        }
    }

    /// Takes over what a classifier made of the present picture.
    pub fn saw(&mut self, logits: &[f32]) {
        self.top = top_predictions(logits, 5);
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
        Event::Failed { run: self.id, step: self.step, kind: error.into(), message }
    }

    /// Whether steps may still come.
    pub fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// Whether `name` takes effect without starting anew, now.
    pub fn takes_live(&self, name: &str) -> Result<bool> {
        Ok(spec(self.technique.params(), name)?.live && self.is_alive())
    }

    pub fn set_live(&mut self, name: &str, value: ParamValue) -> Result<Event> {
        let old = self.params.get(name).map(ToString::to_string).unwrap_or_default();
        self.params.set(self.technique.params(), name, value)?;
        let value = self.params.get(name).cloned().unwrap_or(ParamValue::Int(0));
        self.job.set(&self.params);
        self.spec.set.insert(name.to_owned(), value.clone());
        // Several changes between two steps are one: only the last counts.
        self.changes.retain(|c| c.step != self.step || c.name != name);
        self.changes.push(ParameterChange { step: self.step, name: name.to_owned(), value: value.clone() });
        let text = match self.marks.iter().position(|m| m.step == self.step && m.text.starts_with(name)) {
            Some(at) => {
                let mark = self.marks.remove(at);
                let first = mark.text.split(" → ").next().unwrap_or_default().to_owned();
                format!("{first} → {value}")
            }
            None => format!("{name} {old} → {value}"),
        };
        self.marks.push(Mark { step: self.step, text });
        Ok(Event::Changed { run: self.id, step: self.step, name: name.to_owned(), value })
    }

    pub fn facts(&self) -> serde_json::Map<String, serde_json::Value> {
        self.job.facts()
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

    pub fn snapshot(&self, device: &str, threads: usize) -> Snapshot {
        Snapshot {
            run: self.id,
            phase: self.phase,
            technique: self.technique.id().to_owned(),
            model: self.network.id().to_owned(),
            device: device.to_owned(),
            threads,
            step: self.step,
            total: self.total,
            ms_per_step: self.recent_ms(),
            busy_ms: 0,
            input: self.view.input.clone().or_else(|| self.photo.clone()),
            style: self.style.clone(),
            result: self.view.result.clone(),
            heat: self.view.heat.clone(),
            panels: self.view.panels.clone(),
            similarity: self.view.similarity.clone(),
            scores: self.view.scores.clone(),
            layers: self.layers.clone(),
            series: self.series.clone(),
            marks: self.marks.clone(),
            top: self.top.clone(),
            params: self.params.clone(),
            failure: self.failure.clone(),
        }
    }
}

/// The named layers that have places to point at.
fn layers(network: &Network) -> Arc<[String]> {
    let size = network.preprocess().size.unwrap_or(256);
    let all = network.layers(size, size).unwrap_or_default();
    let with_places = all.iter().filter(|l| l.shape[1] * l.shape[2] > 1 && l.name.as_str() != LayerName::INPUT);
    with_places.map(|l| l.name.to_string()).collect()
}

fn check(progress: &Progress) -> Result<()> {
    let broken = |what: &str| Error::Diverged { what: what.to_owned(), step: progress.step };
    if let Some((name, _)) = progress.figures.iter().find(|(_, value)| !value.is_finite()) {
        return Err(broken(name));
    }
    if progress.logits.as_ref().is_some_and(|z| z.iter().any(|z| !z.is_finite())) {
        return Err(broken("the logits"));
    }
    Ok(())
}
