//! The job that makes a map and scores it.

use super::super::attribution::{Estimation, Method};
use super::metric::{Case, Measure};
use super::registry::{METRICS, metric};
use crate::error::Result;
use crate::imaging::HeatMap;
use crate::techniques::api::{Aim, Context, Job, Params, Progress, View};
use serde_json::{Map, Value};

/// What is to be scored, and how.
pub struct Evaluation {
    /// The method whose map is scored.
    pub method: &'static Method,
    /// Its parameters.
    pub params: Params,
    /// The metrics' ids; all of them if empty.
    pub metrics: Vec<String>,
    /// Where the thing is in the photo: `[x, y, width, height]` in its pixels.
    pub target: Option<[f64; 4]>,
    /// The map, if it has been made already.
    pub known: Option<HeatMap>,
}

/// A job that makes the map, unless it is known, and scores it, metric after metric.
///
/// # Errors
/// If a metric does not exist, or something the method needs is missing or does not fit.
pub fn evaluate(context: Context, evaluation: Evaluation) -> Result<Box<dyn Job>> {
    let Evaluation { method, params, metrics, target, known } = evaluation;
    for id in &metrics {
        metric(id)?;
    }
    let size = context.picture.as_ref().map(|p| (p.width, p.height));
    let input = context.model.input().clone();
    let target = target.zip(size).map(|(target, size)| input.resize.seen_box(size, input.size, target));
    let estimation = Estimation::start(method, context, params.clone())?;
    Ok(Box::new(Scoring {
        estimation,
        params,
        metrics,
        target,
        heat: known,
        case: None,
        queue: vec![],
        at: 0,
        scores: vec![],
        looked: false,
    }))
}

struct Scoring {
    estimation: Estimation,
    params: Params,
    metrics: Vec<String>,
    target: Option<[f64; 4]>,
    heat: Option<HeatMap>,
    case: Option<Case>,
    queue: Vec<(&'static str, Box<dyn Measure>)>,
    /// Updates of the metrics made so far.
    at: usize,
    scores: Vec<(&'static str, f64)>,
    looked: bool,
}

impl Scoring {
    /// Begins to measure the finished map.
    fn begin(&mut self, heat: HeatMap) -> Result<()> {
        let subject = self.estimation.subject.clone();
        let (_, _, h, w) = subject.input().dims4()?;
        let case = Case {
            subject,
            method: self.estimation.method,
            params: self.params.clone(),
            pixels: heat.resized(w as u32, h as u32),
            heat: heat.clone(),
            target: self.target,
        };
        for metric in METRICS.iter().filter(|m| self.metrics.is_empty() || self.metrics.iter().any(|id| id == m.id)) {
            if let Some(measure) = (metric.start)(&case)? {
                self.queue.push((metric.id, measure));
            }
        }
        self.heat = Some(heat);
        self.case = Some(case);
        Ok(())
    }

    fn measures(&self) -> usize {
        self.queue.iter().map(|(_, m)| m.total()).sum()
    }

    /// The next update of the metric whose turn it is.
    fn measure(&mut self) -> Result<Vec<(&'static str, f64)>> {
        let Some(case) = &self.case else { return Ok(vec![]) };
        let mut number = self.at;
        for (_, measure) in &mut self.queue {
            if number < measure.total() {
                let figures = measure.update(case, number)?;
                if number + 1 == measure.total() {
                    self.scores.extend(measure.scores());
                }
                self.at += 1;
                return Ok(figures);
            }
            number -= measure.total();
        }
        Ok(vec![])
    }
}

impl Job for Scoring {
    fn step(&mut self) -> Result<Progress> {
        let mut figures = vec![];
        if self.looked {
            if self.case.is_some() {
                figures = self.measure()?;
            } else if self.heat.is_none() {
                let change = self.estimation.update()?;
                if self.estimation.total() > 1 {
                    figures.push(("change", change));
                }
                if self.estimation.is_done() {
                    self.heat = self.estimation.found.as_ref().map(|f| f.heat.clone());
                }
            }
        }
        if self.case.is_none()
            && let Some(heat) = self.heat.clone()
        {
            self.begin(heat)?;
        }
        let logits = (!self.looked).then(|| self.estimation.subject.passes.logits.clone());
        self.looked = true;
        let step = self.estimation.made + self.at;
        let rest = if self.case.is_some() {
            self.measures() - self.at
        } else {
            self.estimation.total() - self.estimation.made
        };
        let done = self.case.is_some() && rest == 0;
        Ok(Progress { step, total: step + rest, figures, logits, done, ..Progress::default() })
    }

    fn set(&mut self, params: &Params, _: &Aim) -> Result<()> {
        self.estimation.set_live(params)
    }

    fn view(&self) -> Result<View> {
        let made = self.estimation.view();
        let scores = self.scores.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Ok(View { heat: self.heat.clone().or(made.heat.clone()), scores, ..made })
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = self.estimation.facts();
        let scores: Map<String, Value> =
            self.scores.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        facts.insert("scores".into(), scores.into());
        facts
    }
}
