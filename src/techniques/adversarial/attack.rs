//! What attacks have in common: the technique around a [`Rule`], and the job that follows it.

use super::super::classifier::{probability, require_classes, top_class};
use super::super::stopping::{self, Watch};
use super::findings::{self, Findings};
use super::scene::{Goal, Limit, Loss, Scene, Sight, length};
use crate::error::{Error, Result};
use crate::imaging::Picture;
use crate::techniques::api::{
    Aim, Context, Group, Job, Need, Needs, ParamSpec, Params, Progress, State, Technique, View,
};

use candle_core::Tensor;
use serde_json::{Map, Value};

/// What an attack can be aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
    /// Any class but the photo's own.
    Never,
    /// That, or one class.
    Optional,
    /// One class.
    Required,
}

/// An attack: its texts, its parameters, and the rule it moves by.
pub struct Attack {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) definition: &'static str,
    pub(super) reference: &'static str,
    pub(super) targets: Targets,
    pub(super) params: &'static [ParamSpec],
    /// The rule at its beginning.
    pub(super) rule: fn(&Scene, &Params) -> Result<Box<dyn Rule>>,
}

/// Which of the 8-bit pictures that fool is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The last: the attack goes for the surest one within a budget.
    Last,
    /// The one with the smallest L2 norm: the attack goes for the smallest change.
    Smallest,
    /// The first, and that is the end of it.
    First,
}

/// How an attack gets from one picture to the next.
pub(super) trait Rule: Send {
    /// What it ascends now.
    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }
    /// Whom it wants to be mistaken for what now: an attack may try several targets on the way.
    fn goal(&self, scene: &Scene) -> Goal {
        scene.goal
    }
    /// The next pixels `[1, 3, H, W]`, given the present ones and what was seen of them.
    fn next(&mut self, scene: &Scene, params: &Params, x: &Tensor, seen: &Sight) -> Result<Tensor>;
    /// Which picture is kept.
    fn keep(&self) -> Keep {
        Keep::Last
    }
    /// How far its pictures may be from the photo.
    fn limit(&self, _params: &Params) -> Limit {
        Limit::None
    }
    /// The updates it makes at most.
    fn total(&self, params: &Params) -> usize {
        params.count("steps")
    }
    /// Whether it has nothing left to try.
    fn is_finished(&self) -> bool {
        false
    }
    /// What happened in the last update and is worth a mark.
    fn note(&mut self) -> Option<String> {
        None
    }
    /// The rule between two updates.
    fn save(&self) -> State {
        State::default()
    }
    /// Goes back to a saved one.
    fn load(&mut self, _state: &State) -> Result<()> {
        Ok(())
    }
}

impl Technique for Attack {
    fn id(&self) -> &'static str {
        self.id
    }
    fn group(&self) -> Group {
        Group::Adversarial
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
        let target = match self.targets {
            Targets::Never => Need::None,
            Targets::Optional => Need::Optional,
            Targets::Required => Need::Required,
        };
        Needs { picture: Need::Required, class: Need::Optional, target, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        self.params
    }
    fn steered(&self) -> &'static [&'static str] {
        if self.targets == Targets::Never { &[] } else { &["target"] }
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let missing = |what| Error::Missing { technique: self.id, what };
        if self.targets == Targets::Required && context.target.is_none() {
            return Err(missing("a class to be mistaken for: give --target"));
        }
        let picture = context.picture.ok_or(missing("a picture: give an image file"))?;
        require_classes(&context.model)?;
        let scene = Scene::new(context.model, &picture, context.class, context.target, context.seed)?;
        if scene.goal.target == Some(scene.goal.source) {
            let reason = "that is what the photo shows already; choose another class";
            return Err(Error::bad_value("--target", scene.model.info.label(scene.goal.source), reason));
        }
        let rule = (self.rule)(&scene, &params)?;
        Ok(Box::new(Siege {
            x: scene.original.clone(),
            scene,
            rule,
            params,
            seen: None,
            step: 0,
            iterations: None,
            kept: None,
            watch: Watch::default(),
            stopped: None,
            findings: None,
        }))
    }
}

/// A picture that fools, as it is saved.
#[derive(Clone)]
struct Kept {
    picture: Picture,
    l2: f64,
}

/// An attack at work.
struct Siege {
    scene: Scene,
    rule: Box<dyn Rule>,
    params: Params,
    /// The changed photo in pixels, `[1, 3, H, W]`.
    x: Tensor,
    seen: Option<Sight>,
    step: usize,
    /// Updates after which the picture, not yet rounded, was taken for what was wanted.
    iterations: Option<usize>,
    /// The 8-bit picture that fools.
    kept: Option<Kept>,
    watch: Watch,
    stopped: Option<&'static str>,
    /// What became of the result, once the attack has ended.
    findings: Option<Findings>,
}

impl Siege {
    /// Takes the present picture over if it fools as it would be saved and is one to keep.
    fn consider(&mut self) -> Result<()> {
        let (picture, fools) = self.scene.saved(&self.x, self.rule.limit(&self.params))?;
        if !fools {
            return Ok(());
        }
        let l2 = findings::norms(&self.scene.picture, &picture).l2;
        let better = match (&self.kept, self.rule.keep()) {
            (None, _) | (Some(_), Keep::Last) => true,
            (Some(kept), Keep::Smallest) => l2 < kept.l2,
            (Some(_), Keep::First) => false,
        };
        if better {
            self.kept = Some(Kept { picture, l2 });
        }
        Ok(())
    }

    /// The picture that would be saved now.
    fn result(&self) -> Result<Picture> {
        match &self.kept {
            Some(kept) => Ok(kept.picture.clone()),
            None => self.scene.plain(&self.x, self.rule.limit(&self.params)),
        }
    }
}

impl Job for Siege {
    fn step(&mut self) -> Result<Progress> {
        let mut notes = vec![];
        if let Some(seen) = self.seen.take() {
            self.x = self.rule.next(&self.scene, &self.params, &self.x, &seen)?;
            self.step += 1;
            notes.extend(self.rule.note());
        }
        let seen = self.scene.look_for(&self.x, self.rule.loss(), &self.rule.goal(&self.scene))?;
        let goal = self.scene.goal;
        if goal.is_met(&seen.logits) {
            if self.iterations.is_none() {
                self.iterations = Some(self.step);
                let top = top_class(&seen.logits);
                notes.push(format!("flipped to {}", short(&self.scene.model.info.label(top))));
            }
            self.consider()?;
        }
        self.watch.see(self.step, -seen.loss);
        let rival = goal.target.unwrap_or_else(|| Goal::rival(&seen.logits, goal.source));
        let of = |class| f64::from(probability(&seen.logits, class));
        let mut figures = vec![];
        figures.push((if goal.target.is_some() { "p_target" } else { "p_other" }, of(rival)));
        figures.push(("p_source", of(goal.source)));
        let objective = if self.rule.loss() == Loss::Logit { "score" } else { "objective" };
        figures.push((objective, seen.loss));
        figures.push(("l2", length(&(&self.x - &self.scene.original)?)?));
        let total = self.rule.total(&self.params);
        let enough = self.rule.keep() == Keep::First && self.kept.is_some();
        self.stopped = if enough || self.rule.is_finished() {
            Some(if self.kept.is_some() { "success" } else { "exhausted" })
        } else if self.step >= total {
            Some("steps")
        } else if self.step == 0 {
            None
        } else {
            let wanted = goal.target.unwrap_or(rival);
            stopping::early(&self.params, self.step, Some(&self.watch), Some(probability(&seen.logits, wanted)))
        };
        let logits = seen.logits.clone();
        self.seen = Some(seen);
        if self.stopped.is_some() {
            self.findings = Some(findings::examine(&self.scene, &self.result()?)?);
        }
        Ok(Progress { step: self.step, total, figures, logits: Some(logits), notes, done: self.stopped.is_some() })
    }

    fn set(&mut self, params: &Params, aim: &Aim) -> Result<()> {
        if aim.target != self.scene.goal.target {
            if aim.target == Some(self.scene.goal.source) {
                let reason = "that is what the photo shows already; choose another class";
                return Err(Error::bad_value("target", self.scene.model.info.label(self.scene.goal.source), reason));
            }
            self.scene.goal.target = aim.target;
            // What was reached and seen was another goal.
            (self.iterations, self.kept) = (None, None);
            self.seen = Some(self.scene.look(&self.x, self.rule.loss())?);
            self.watch.forget();
        }
        self.params = params.clone();
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let result = self.result()?;
        let input = self.scene.picture.clone();
        let (perturbation, factor) = findings::magnified(&input, &result);
        let mut found = findings::norms(&input, &result).in_words();
        found.push(("magnified".into(), format!("× {factor}")));
        found.push(("flipped at".into(), self.iterations.map_or("—".into(), |step| format!("step {step}"))));
        match &self.findings {
            Some(findings) => found.extend(findings.in_words()),
            None => found.push(("8-bit picture".into(), findings::verdict(self.kept.is_some()).into())),
        }
        Ok(View {
            input: Some(input),
            cropped: true,
            result: Some(result),
            perturbation: Some(perturbation),
            findings: found,
            ..View::default()
        })
    }

    fn facts(&self) -> Map<String, Value> {
        let goal = self.scene.goal;
        let info = &self.scene.model.info;
        let mut facts = Map::new();
        facts.insert("target".into(), goal.target.map(|class| info.class_fact(class)).into());
        facts.insert("source".into(), info.class_fact(goal.source));
        facts.insert("iterations".into(), self.iterations.into());
        facts.insert("success".into(), self.kept.is_some().into());
        facts.insert("stopped_by".into(), self.stopped.into());
        if let Ok(result) = self.result() {
            facts.insert("norms".into(), findings::norms(&self.scene.picture, &result).fact());
            let findings = self.findings.clone().or_else(|| findings::examine(&self.scene, &result).ok());
            facts.insert("survives".into(), findings.map(|f| f.fact()).into());
        }
        facts
    }

    fn save_state(&self) -> Option<State> {
        let mut state = self.watch.save(State::default().with("x", &self.x).with_value("step", self.step));
        if let Some(seen) = &self.seen {
            state = state.with("gradient", &seen.gradient);
            state = state.with_value("logits", &seen.logits).with_value("loss", seen.loss);
        }
        if let Some(kept) = &self.kept {
            state = state.with_value("kept_l2", kept.l2);
            let shape = (kept.picture.height as usize, kept.picture.width as usize, 3);
            state =
                state.with("kept", &Tensor::from_slice(&kept.picture.rgb, shape, &candle_core::Device::Cpu).ok()?);
        }
        Some(state.with_value("iterations", self.iterations).and(self.rule.save().under("rule")))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.x = state.tensor("x")?;
        self.step = state.value("step")?;
        self.iterations = state.value("iterations")?;
        self.watch = Watch::load(state)?;
        self.seen = match state.tensors.get("gradient") {
            Some(gradient) => {
                Some(Sight { logits: state.value("logits")?, loss: state.value("loss")?, gradient: gradient.clone() })
            }
            None => None,
        };
        self.kept = match state.tensors.get("kept") {
            Some(rgb) => {
                let (h, w, _) = rgb.dims3()?;
                let picture = Picture::new(w as u32, h as u32, rgb.flatten_all()?.to_vec1::<u8>()?);
                Some(Kept { picture, l2: state.value("kept_l2")? })
            }
            None => None,
        };
        self.rule.load(&state.part("rule"))
    }
}

/// The first name of a label.
fn short(label: &str) -> &str {
    label.split(',').next().unwrap_or(label)
}
