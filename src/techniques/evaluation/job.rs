//! The job that makes a map and scores it.

use super::super::attribution::{Estimation, Method};
use super::metric::{Case, Measure};
use super::registry::{METRICS, metric};
use crate::error::Result;
use crate::imaging::HeatMap;
use crate::techniques::api::{Context, Job, Params, State, View};
use crate::techniques::maps::{MapJob, MapMaking};
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
    let (queue, scores) = (vec![], vec![]);
    let mut scoring = Scoring { estimation, params, metrics, target, case: None, queue, at: 0, scores };
    if let Some(heat) = known {
        scoring.begin(heat)?;
    }
    Ok(Box::new(MapJob::new(scoring)))
}

struct Scoring {
    estimation: Estimation,
    params: Params,
    metrics: Vec<String>,
    target: Option<[f64; 4]>,
    case: Option<Case>,
    queue: Vec<(&'static str, Box<dyn Measure>)>,
    /// Updates of the metrics made so far.
    at: usize,
    scores: Vec<(&'static str, f64)>,
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
            heat,
            target: self.target,
        };
        for metric in METRICS.iter().filter(|m| self.metrics.is_empty() || self.metrics.iter().any(|id| id == m.id)) {
            if let Some(measure) = (metric.start)(&case)? {
                self.queue.push((metric.id, measure));
            }
        }
        self.case = Some(case);
        Ok(())
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

impl MapMaking for Scoring {
    fn made(&self) -> usize {
        self.estimation.made + self.at
    }

    fn total(&self) -> usize {
        let making = if self.case.is_some() { self.estimation.made } else { self.estimation.total() };
        making + self.queue.iter().map(|(_, m)| m.total()).sum::<usize>()
    }

    fn is_done(&self) -> bool {
        self.case.is_some() && self.made() == self.total()
    }

    fn logits(&self) -> &[f32] {
        &self.estimation.subject.passes.logits
    }

    fn update(&mut self) -> Result<Vec<(&'static str, f64)>> {
        if self.case.is_some() {
            return self.measure();
        }
        let change = self.estimation.update()?;
        let finished = self.estimation.found.as_ref().filter(|_| self.estimation.is_done());
        if let Some(heat) = finished.map(|found| found.heat.clone()) {
            self.begin(heat)?;
        }
        Ok(if self.estimation.total() > 1 { vec![("change", change)] } else { vec![] })
    }

    fn set_live(&mut self, params: &Params) -> Result<()> {
        self.estimation.set_live(params)
    }

    fn view(&self) -> View {
        let made = self.estimation.view();
        let scores = self.scores.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let heat = self.case.as_ref().map(|case| case.heat.clone());
        View { heat: heat.or(made.heat.clone()), scores, ..made }
    }

    fn facts(&self) -> Map<String, Value> {
        let mut facts = self.estimation.facts();
        let scores: Map<String, Value> =
            self.scores.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        facts.insert("scores".into(), scores.into());
        facts
    }

    /// What the metrics have seen so far is theirs.
    fn save(&self) -> Option<State> {
        None
    }

    fn load(&mut self, _: &State) -> Result<()> {
        Err(State::foreign())
    }
}
