//! One method about one subject: at once, or update by update.

use super::super::classifier::seen_by;
use super::method::{Attribution, Estimator, Explain, Method};
use super::subject::{Passes, Subject};
use crate::error::{Error, Result};
use crate::imaging::HeatMap;
use crate::techniques::api::{Context, Params, State, View};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Updates in a row that have to change the map by less than the tolerance.
const STEADY: usize = 3;

/// One method about one subject, made step by step.
pub(in crate::techniques) struct Estimation {
    pub method: &'static Method,
    params: Params,
    pub subject: Subject,
    estimator: Option<Box<dyn Estimator>>,
    pub found: Option<Attribution>,
    /// Updates made.
    pub made: usize,
    steady: usize,
}

impl Estimation {
    /// For a run: the method about the class and at the layer that are asked for.
    pub fn start(method: &'static Method, context: Context, params: Params) -> Result<Self> {
        let what = "a picture: give an image file";
        let photo = context.picture.ok_or(Error::Missing { technique: method.id, what })?;
        let model = context.model;
        model.info.classes()?;
        method.check(&model)?;
        let layer = method.layer_of(&model, context.layer.as_ref())?;
        let (picture, input) = seen_by(&model, &photo)?;
        let (wanted, reaches) = (method.wanted(&layer), vec![method.reaches(&layer)]);
        let passes = Passes::new(model, picture, input, std::slice::from_ref(&layer), wanted, reaches)?;
        let subject = Subject::of(Arc::new(passes), context.class, layer, context.seed)?;
        Self::new(method, subject, params)
    }

    pub fn new(method: &'static Method, subject: Subject, params: Params) -> Result<Self> {
        let estimator = match method.explain {
            Explain::Live(start) => Some(start(&subject, &params)?),
            _ => None,
        };
        Ok(Self { method, params, subject, estimator, found: None, made: 0, steady: 0 })
    }

    /// The updates there are to make.
    pub fn total(&self) -> usize {
        self.estimator.as_ref().map_or(1, |e| e.total())
    }

    /// Makes the next update; the answer is how much it changed the map, ‖m − m′‖/‖m‖.
    pub fn update(&mut self) -> Result<f64> {
        let found = match &mut self.estimator {
            Some(estimator) => {
                estimator.update(&self.subject, self.made)?;
                estimator.estimate(&self.subject)?
            }
            None => self.method.attribute(&self.subject, &self.params, 1)?,
        };
        self.made += 1;
        let change = self.found.as_ref().map_or(1.0, |old| change(&old.heat, &found.heat));
        self.found = Some(found);
        let tolerance = if self.estimator.is_some() { self.params.float("tolerance") } else { 0.0 };
        self.steady = if change < tolerance { self.steady + 1 } else { 0 };
        Ok(change)
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.made >= self.total() || self.steady >= STEADY
    }

    /// Takes over what is live of another method's parameters and this one has, too.
    ///
    /// # Errors
    /// If a value does not fit this method; the others are taken over.
    pub fn set_live(&mut self, params: &Params) -> Result<()> {
        let specs = self.method.params;
        let live = |name: &str| specs.iter().any(|spec| spec.live && spec.name == name);
        params.iter().filter(|(name, _)| live(name)).try_for_each(|(name, v)| self.params.set(specs, name, v.clone()))
    }

    /// Whether it takes several updates.
    pub fn is_live(&self) -> bool {
        self.estimator.is_some()
    }

    /// What the updates so far have left.
    pub fn save(&self) -> State {
        let state = self.estimator.as_ref().map(|e| e.save().under("estimator")).unwrap_or_default();
        state.with_value("made", self.made).with_value("steady", self.steady)
    }

    /// Takes that up; what is made in one computation is made again.
    ///
    /// # Errors
    /// If it is another method's.
    pub fn load(&mut self, state: &State) -> Result<()> {
        (self.made, self.steady) = (state.value("made")?, state.value("steady")?);
        if let Some(estimator) = &mut self.estimator {
            estimator.load(&state.part("estimator"))?;
        }
        self.found = match &self.estimator {
            _ if self.made == 0 => None,
            Some(estimator) => Some(estimator.estimate(&self.subject)?),
            None => Some(self.method.attribute(&self.subject, &self.params, 1)?),
        };
        Ok(())
    }

    /// The photo and the map so far.
    pub fn view(&self) -> View {
        let found = self.found.as_ref();
        View {
            input: Some(self.subject.passes.picture.clone()),
            cropped: true,
            heat: found.map(|f| f.heat.clone()),
            attribution: found.and_then(|f| f.channels.clone()),
            ..View::default()
        }
    }

    pub fn facts(&self) -> Map<String, Value> {
        let mut facts = Map::new();
        facts.insert("class".into(), self.subject.model().info.class_fact(self.subject.class));
        facts.insert("logit".into(), self.subject.score().into());
        if self.method.layer {
            facts.insert("layer".into(), self.subject.layer.as_str().into());
        }
        if let Some(found) = &self.found {
            let (low, high) = found.heat.range();
            facts.insert("map_min".into(), low.into());
            facts.insert("map_max".into(), high.into());
            facts.extend(found.facts.clone());
        }
        facts
    }
}

/// How much a map moved: ‖new − old‖/‖new‖, 0 where both are zero.
fn change(old: &HeatMap, new: &HeatMap) -> f64 {
    let square = |v: f64| v * v;
    let moved: f64 = old.values.iter().zip(new.values.iter()).map(|(a, b)| square(f64::from(b - a))).sum();
    let size: f64 = new.values.iter().map(|v| square(f64::from(*v))).sum();
    if moved == 0.0 { 0.0 } else { (moved / size.max(f64::MIN_POSITIVE)).sqrt().min(1e6) }
}
