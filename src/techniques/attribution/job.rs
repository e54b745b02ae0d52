//! A method as a technique, and the job around it.

use super::estimation::Estimation;
use super::method::Method;
use crate::error::Result;
use crate::techniques::api::{
    Aim, Context, Group, Job, Need, Needs, ParamSpec, Params, Progress, State, Technique, View,
};
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
        Ok(Box::new(Explanation::start(self, context, params)?))
    }
}

/// A method's run.
struct Explanation {
    estimation: Estimation,
    /// A live method's first step only looks at the photo.
    looked: bool,
}

impl Explanation {
    fn start(method: &'static Method, context: Context, params: Params) -> Result<Self> {
        Ok(Self { estimation: Estimation::start(method, context, params)?, looked: !method.is_live() })
    }
}

impl Job for Explanation {
    fn step(&mut self) -> Result<Progress> {
        let mut figures = vec![];
        if self.looked {
            let change = self.estimation.update()?;
            if self.estimation.total() > 1 {
                figures.push(("change", change));
            }
        }
        self.looked = true;
        let estimation = &self.estimation;
        let logits = (estimation.made <= 1).then(|| estimation.subject.passes.logits.clone());
        let (step, total, done) = (estimation.made, estimation.total(), estimation.is_done());
        Ok(Progress { step, total, figures, logits, done, ..Progress::default() })
    }

    fn set(&mut self, params: &Params, _: &Aim) -> Result<()> {
        self.estimation.set_live(params)
    }

    fn view(&self) -> Result<View> {
        Ok(self.estimation.view())
    }

    fn facts(&self) -> Map<String, Value> {
        self.estimation.facts()
    }

    fn save_state(&self) -> Option<State> {
        self.estimation.is_live().then(|| self.estimation.save().with_value("looked", self.looked))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.looked = state.value("looked")?;
        if self.estimation.is_live() { self.estimation.load(state) } else { Err(State::foreign()) }
    }
}
