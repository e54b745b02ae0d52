//! Going back and forth in a run, branching it, comparing it, and typing values.

use super::action::Action;
use super::app::App;
use super::dialogs::{Entry, Picker};
use crate::engine::{Command, Past, Phase};
use crate::techniques::{Need, ParamKind, ParamSpec, ParamValue};
use std::sync::Arc;

impl App {
    /// The step that is looked at.
    pub(super) fn looked_at(&self) -> usize {
        self.looking.or(self.snapshot.shown).unwrap_or(self.snapshot.course.step)
    }

    /// Looks at another of the kept steps, so many places away.
    pub(super) fn scrub(&mut self, by: isize) {
        let history = &self.snapshot.history;
        if history.len() < 2 || !self.is_current() {
            return self.say("this run has no history yet");
        }
        let now = self.looked_at();
        let here = history.partition_point(|step| *step < now) as isize;
        let place = (here + by).clamp(0, history.len() as isize) as usize;
        let step = history.get(place).copied().filter(|step| *step < self.snapshot.course.step);
        self.looking = Some(step.unwrap_or(self.snapshot.course.step));
        self.outbox.push(Command::Look { step });
        let text = match step {
            Some(step) => {
                format!("step {step}; b branches a new run from here, ] goes on, space runs on from the end")
            }
            None => "the present step".to_owned(),
        };
        self.say(&text);
    }

    /// Starts a run that leaves the present one at the step that is looked at.
    pub(super) fn branch(&mut self) {
        if !self.snapshot.branches {
            return self.say("runs of this technique cannot be branched");
        }
        let step = self.looked_at();
        self.looking = None;
        self.rival = Some(self.snapshot.run);
        self.outbox.push(Command::Branch { step });
        self.say(&format!(
            "branched from step {step}, paused: change what you like, then space; d hides the old run"
        ));
    }

    /// The run that the present one is shown beside.
    pub(super) fn rival(&self) -> Option<&Past> {
        self.snapshot.past.iter().find(|past| Some(past.run) == self.rival)
    }

    /// Chooses the run to compare with, or ends the comparison.
    pub(super) fn pick_rival(&mut self) {
        if self.rival.take().is_some() {
            return;
        }
        let past: Arc<[Past]> = self.snapshot.past.clone();
        if past.is_empty() {
            return self.say("there is no earlier run with a picture to compare with yet");
        }
        let item = |past: &Past| {
            let last = past.series.first().and_then(|s| Some(format!("{} {:.4}", s.name, s.points.last()?.1)));
            format!("run {} · {} · {} steps · {}", past.run, past.technique, past.step, last.unwrap_or_default())
        };
        let items = past.iter().rev().map(item).collect();
        let runs: Vec<u64> = past.iter().rev().map(|past| past.run).collect();
        self.dialog = Some(Box::new(Picker::one("compare with", items, 0, move |i| Action::SetRival(runs[i]))));
    }

    /// Opens the line to type the selected parameter's value in.
    pub(super) fn type_value(&mut self) {
        let Some(spec) = self.params().get(self.selected) else {
            return self.say("this technique has no parameters");
        };
        let value = self.value(spec).to_string();
        self.dialog = Some(Box::new(Entry::new(spec, value)));
    }

    /// Gives the selected parameter the neighbour of its value.
    pub(super) fn nudge(&mut self, up: bool) {
        let Some(spec) = self.params().get(self.selected) else {
            return self.say("this technique has no parameters");
        };
        if let ParamKind::Text { .. } = spec.kind {
            return self.type_value();
        }
        let old = self.value(spec);
        let value = spec.nudged(&old, up);
        if value == old {
            return self.say(&format!("{} takes {}", spec.name, spec.range()));
        }
        self.set_value(spec, value);
    }

    pub(super) fn set_value(&mut self, spec: &ParamSpec, value: ParamValue) {
        let id = self.current().id();
        let settings = self.settings.entry(id).or_default();
        if let ParamKind::Preset { .. } = spec.kind {
            // Another recipe is asked for as it is.
            settings.clear();
        }
        settings.insert(spec.name.to_owned(), value.clone());
        let name = spec.name.to_owned();
        // Shown at once; the engine's next snapshot confirms it.
        let mut snapshot = (*self.snapshot).clone();
        if self.is_current() && snapshot.params.set(self.params(), &name, value.clone()).is_ok() {
            self.snapshot = Arc::new(snapshot);
        }
        self.outbox.push(Command::Set { name, value });
    }

    /// Turns the run to another class, target or layer: at once where the technique can, else by starting anew.
    pub(super) fn turn_to(&mut self, name: &str, value: ParamValue) {
        let alive = matches!(self.snapshot.course.phase, Phase::Running | Phase::Paused);
        if alive && self.is_current() && self.current().steered().contains(&name) {
            self.outbox.push(Command::Set { name: name.to_owned(), value });
        } else {
            self.start();
        }
    }

    /// Any class but the photo's own will do.
    pub(super) fn clear_target(&mut self) {
        if self.current().needs().target != Need::Optional {
            return self.say("this is for attacks that can do without a target");
        }
        self.spec.target = None;
        self.start();
    }
}
