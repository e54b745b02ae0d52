//! A method as a technique, and what its run is.

use super::estimation::Estimation;
use super::method::Method;
use crate::error::Result;
use crate::techniques::api::{Context, Group, Job, Need, Needs, ParamSpec, Params, State, Technique, View};
use crate::techniques::maps::{MapJob, MapMaking};
use serde_json::{Map, Value};

impl Technique for Method {
    fn id(&self) -> &'static str {
        self.id
    }
    fn group(&self) -> Group {
        Group::Attribution
    }
    fn about(&self) -> &'static str {
        self.about
    }
    fn definition(&self) -> &'static str {
        self.definition
    }
    fn reference(&self) -> &'static str {
        self.reference
    }
    fn needs(&self) -> Needs {
        let layer = if self.layer { Need::Optional } else { Need::None };
        Needs { picture: Need::Required, class: Need::Optional, layer, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        self.params
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        Ok(Box::new(MapJob::new(Estimation::start(self, context, params)?)))
    }
}

impl MapMaking for Estimation {
    /// What is made in one computation is made in the first step.
    fn looks_first(&self) -> bool {
        self.is_live()
    }

    fn made(&self) -> usize {
        self.made
    }

    fn total(&self) -> usize {
        Self::total(self)
    }

    fn is_done(&self) -> bool {
        Self::is_done(self)
    }

    fn logits(&self) -> &[f32] {
        &self.subject.passes.logits
    }

    fn update(&mut self) -> Result<Vec<(&'static str, f64)>> {
        let change = Self::update(self)?;
        Ok(if self.total() > 1 { vec![("change", change)] } else { vec![] })
    }

    fn set_live(&mut self, params: &Params) -> Result<()> {
        Self::set_live(self, params)
    }

    fn view(&self) -> View {
        Self::view(self)
    }

    fn facts(&self) -> Map<String, Value> {
        Self::facts(self)
    }

    fn save(&self) -> Option<State> {
        self.is_live().then(|| Self::save(self))
    }

    fn load(&mut self, state: &State) -> Result<()> {
        if self.is_live() { Self::load(self, state) } else { Err(State::foreign()) }
    }
}
