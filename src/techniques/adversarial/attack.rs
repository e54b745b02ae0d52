//! What attacks have in common: the technique around a [`Rule`], and the optimisation that follows it.

use super::super::optimisation::{Iteration, Look, Optimisation, OptimisationJob};
use super::super::stopping;
use super::change::{Norms, magnified};
use super::criterion::Criterion;
use super::example::{Example, LossAt};
use super::loss::Loss;
use super::norm::Limit;
use super::robustness::{Robustness, fooling};
use crate::error::{Error, Result};
use crate::imaging::Picture;
use crate::model::top_class;
use crate::optim::length;
use crate::techniques::api::{
    Aim, Context, Finding, Group, Job, Need, Needs, ParamSpec, Params, State, Technique, View,
};
use candle_core::{Device, Tensor};
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
    pub(super) rule: fn(&Example, &Params) -> Result<Box<dyn Rule>>,
}

/// Which of the 8-bit pictures that fool is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
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
    fn criterion(&self, example: &Example) -> Criterion {
        example.criterion
    }
    /// The next pixels `[1, C, H, W]`, given the present ones and the loss at them.
    fn next(&mut self, example: &Example, params: &Params, x: &Tensor, at: &LossAt) -> Result<Tensor>;
    /// Which picture is kept.
    fn pick(&self) -> Pick {
        Pick::Last
    }
    /// How far its pictures may be from the photo.
    fn limit(&self, _params: &Params) -> Limit {
        Limit::None
    }
    /// The updates it makes at most.
    fn total(&self, _example: &Example, params: &Params) -> usize {
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
        let example = Example::new(context.model, &picture, context.class, context.target, context.seed)?;
        example.check_target("--target", context.target)?;
        let rule = (self.rule)(&example, &params)?;
        Ok(Box::new(OptimisationJob::new(RunningAttack {
            x: example.original.clone(),
            example,
            rule,
            params,
            iterations: None,
            kept: None,
            robustness: None,
        })))
    }
}

/// A picture that fools, as it is saved.
#[derive(Clone)]
struct AdversarialPicture {
    picture: Picture,
    l2: f64,
}

/// An attack at work.
struct RunningAttack {
    example: Example,
    rule: Box<dyn Rule>,
    params: Params,
    /// The changed photo in pixels, `[1, C, H, W]`.
    x: Tensor,
    /// Updates after which the picture, not yet rounded, was taken for what was wanted.
    iterations: Option<usize>,
    /// The 8-bit picture that fools.
    kept: Option<AdversarialPicture>,
    /// What the result survives, once the attack has ended.
    robustness: Option<Robustness>,
}

impl RunningAttack {
    /// Takes the present picture over if it fools as it would be saved and is one to keep.
    fn consider(&mut self) -> Result<()> {
        let (picture, fools) = self.example.saved(&self.x, self.rule.limit(&self.params))?;
        if !fools {
            return Ok(());
        }
        let l2 = self.norms(&picture).l2;
        let better = match (&self.kept, self.rule.pick()) {
            (None, _) | (Some(_), Pick::Last) => true,
            (Some(kept), Pick::Smallest) => l2 < kept.l2,
            (Some(_), Pick::First) => false,
        };
        if better {
            self.kept = Some(AdversarialPicture { picture, l2 });
        }
        Ok(())
    }

    fn norms(&self, result: &Picture) -> Norms {
        Norms::of(&self.example.picture, result, self.example.channels())
    }

    /// The picture that would be saved now.
    fn result(&self) -> Result<Picture> {
        match &self.kept {
            Some(kept) => Ok(kept.picture.clone()),
            None => self.example.plain(&self.x, self.rule.limit(&self.params)),
        }
    }

    /// The loss where the picture is now.
    fn loss(&self) -> Result<LossAt> {
        self.example.loss_for(&self.x, self.rule.loss(), &self.rule.criterion(&self.example))
    }

    /// What is said once the photo is mistaken.
    fn flip(&self, logits: &[f32]) -> String {
        let label = |class| self.example.output.labels.label(class);
        match self.example.criterion.alone(&self.example.output) {
            Some((class, direction)) if direction < 0.0 => format!("no {} any more", short(&label(class))),
            Some((class, _)) => format!("{} appears", short(&label(class))),
            None => format!("flipped to {}", short(&label(top_class(logits)))),
        }
    }

    /// What becomes of the class that is to win and of the one that is to lose: probabilities, or scores that are none.
    fn winner_and_loser(&self, logits: &[f32]) -> Vec<(&'static str, f64)> {
        let (output, criterion) = (&self.example.output, &self.example.criterion);
        let names = match (output.has_probabilities(), criterion.target.is_some()) {
            (true, true) => ["p_target", "p_source"],
            (true, false) => ["p_other", "p_source"],
            (false, true) => ["z_target", "z_source"],
            (false, false) => ["z_other", "z_source"],
        };
        let of = |class| f64::from(output.probability(logits, class));
        let mut figures = vec![(names[1], of(criterion.source))];
        // What independent classes do otherwise is their own business.
        if criterion.target.is_some() || criterion.alone(output).is_none() {
            figures.insert(0, (names[0], of(criterion.pair(logits).0)));
        }
        figures
    }
}

impl Optimisation for RunningAttack {
    type Seen = LossAt;

    fn params(&self) -> &Params {
        &self.params
    }

    fn total(&self) -> usize {
        self.rule.total(&self.example, &self.params)
    }

    fn update(&mut self, seen: LossAt, _: &mut Iteration) -> Result<Vec<String>> {
        self.x = self.rule.next(&self.example, &self.params, &self.x, &seen)?;
        Ok(self.rule.note().into_iter().collect())
    }

    fn look(&mut self, iteration: &Iteration) -> Result<Look<LossAt>> {
        let seen = self.loss()?;
        let mut notes = vec![];
        if self.example.is_met(&seen.logits) {
            if self.iterations.is_none() {
                self.iterations = Some(iteration.step);
                notes.push(self.flip(&seen.logits));
            }
            self.consider()?;
        }
        let mut figures = self.winner_and_loser(&seen.logits);
        figures.push((if self.rule.loss() == Loss::Logit { "score" } else { "objective" }, seen.value));
        figures.push(("l2", length(&(&self.x - &self.example.original)?)?));
        Ok(Look {
            objective: -seen.value,
            figures,
            logits: Some(seen.logits.clone()),
            probability: self.example.criterion.probability(&self.example.output, &seen.logits),
            notes,
            seen,
        })
    }

    fn verdict(&mut self, iteration: &Iteration, look: &Look<LossAt>) -> Option<&'static str> {
        let enough = self.rule.pick() == Pick::First && self.kept.is_some();
        if enough || self.rule.is_finished() {
            Some(if self.kept.is_some() { "success" } else { "exhausted" })
        } else if iteration.step >= self.total() {
            Some("steps")
        } else if iteration.step == 0 {
            None
        } else {
            stopping::early(&self.params, iteration.step, &iteration.watch, look.probability)
        }
    }

    fn finish(&mut self, _: &mut Look<LossAt>) -> Result<()> {
        self.robustness = Some(Robustness::of(&self.result()?, &self.example)?);
        Ok(())
    }

    fn set(
        &mut self,
        params: &Params,
        aim: &Aim,
        iteration: &mut Iteration,
        seen: &mut Option<LossAt>,
    ) -> Result<()> {
        if aim.target != self.example.criterion.target {
            self.example.check_target("target", aim.target)?;
            self.example.criterion.target = aim.target;
            // What was reached and seen was another goal.
            (self.iterations, self.kept) = (None, None);
            *seen = seen.take().map(|_| self.loss()).transpose()?;
            iteration.watch.forget();
        }
        self.params = params.clone();
        Ok(())
    }

    fn view(&self) -> Result<View> {
        let result = self.result()?;
        let input = self.example.picture.clone();
        let (perturbation, factor) = magnified(&input, &result);
        let mut found = self.norms(&result).findings();
        found.push(Finding::new("magnified", format!("× {factor}")));
        let flipped = self.iterations.map_or("—".into(), |step| format!("step {step}"));
        found.push(Finding::new("flipped at", flipped));
        match &self.robustness {
            Some(robustness) => found.extend(robustness.findings()),
            None => found.push(fooling("8-bit picture", self.kept.is_some())),
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
        let criterion = self.example.criterion;
        let info = &self.example.model.info;
        let mut facts = Map::new();
        facts.insert("target".into(), criterion.target.map(|class| info.class_fact(class)).into());
        facts.insert("source".into(), info.class_fact(criterion.source));
        facts.insert("iterations".into(), self.iterations.into());
        facts.insert("success".into(), self.kept.is_some().into());
        if let Ok(result) = self.result() {
            facts.insert("norms".into(), self.norms(&result).fact());
            let robustness = self.robustness.clone().or_else(|| Robustness::of(&result, &self.example).ok());
            facts.insert("survives".into(), robustness.map(|r| r.fact()).into());
        }
        facts
    }

    fn save(&self) -> State {
        let mut state = State::default().with("x", &self.x).with_value("iterations", self.iterations);
        if let Some(kept) = &self.kept {
            let shape = (kept.picture.height as usize, kept.picture.width as usize, 3);
            if let Ok(rgb) = Tensor::from_slice(&kept.picture.rgb, shape, &Device::Cpu) {
                state = state.with_value("kept_l2", kept.l2).with("kept", &rgb);
            }
        }
        state.and(self.rule.save().under("rule"))
    }

    fn load(&mut self, state: &State) -> Result<()> {
        self.x = state.tensor("x")?;
        self.iterations = state.value("iterations")?;
        self.kept = match state.tensors.get("kept") {
            Some(rgb) => {
                let (h, w, _) = rgb.dims3()?;
                let picture = Picture::new(w as u32, h as u32, rgb.flatten_all()?.to_vec1::<u8>()?);
                Some(AdversarialPicture { picture, l2: state.value("kept_l2")? })
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
