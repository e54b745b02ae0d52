//! Steering the run: pause and step, back and forth in its history, branches, other values, another class or layer.

use super::App;
use crate::engine::{Command, Phase, ScoreSpec, Task};
use crate::techniques::{Group, Need, ParamKind, ParamValue};
use crate::tui::action::Action;
use crate::tui::dialogs::ValueEditor;

impl App {
    /// Pause or go on, or one step.
    pub(super) fn pace(&mut self, action: &Action) {
        match (self.phase(), action) {
            (Phase::Running, Action::Step) => self.outbox.extend([Command::Pause, Command::Step]),
            (Phase::Paused, Action::Step) => self.outbox.push(Command::Step),
            (Phase::Running, _) => self.outbox.push(Command::Pause),
            (Phase::Paused, _) => self.outbox.push(Command::Resume),
            _ => self.say("the run has ended; r starts it again"),
        }
    }

    /// Looks at another of the kept steps, so many places away.
    pub(super) fn scrub(&mut self, by: isize) {
        let snapshot = self.snapshot().clone();
        let history = &snapshot.history;
        if history.len() < 2 || !self.is_current() {
            return self.say("this run has no history yet");
        }
        let now = self.run.looked_at();
        let here = history.partition_point(|step| *step < now) as isize;
        let place = (here + by).clamp(0, history.len() as isize) as usize;
        let step = history.get(place).copied().filter(|step| *step < snapshot.course.step);
        self.run.look_at(step.unwrap_or(snapshot.course.step));
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
        if !self.snapshot().branches {
            return self.say("runs of this technique cannot be branched");
        }
        let step = self.run.looked_at();
        self.run.compare_with(Some(self.snapshot().run));
        self.outbox.push(Command::Branch { step });
        self.say(&format!(
            "branched from step {step}, paused: change what you like, then space; d hides the old run"
        ));
    }

    /// Opens the line to type the selected parameter's value in.
    pub(super) fn type_value(&mut self) {
        let Some(spec) = self.params().get(self.showing.parameter) else {
            return self.say("this technique has no parameters");
        };
        let value = self.value(spec).to_string();
        self.open(Ok(Box::new(ValueEditor::new(spec, value))));
    }

    /// Gives the selected parameter the neighbour of its value.
    pub(super) fn nudge(&mut self, up: bool) {
        let Some(spec) = self.params().get(self.showing.parameter) else {
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
        self.set_value(spec.name, value);
    }

    /// Gives one of the technique's parameters a value.
    pub(super) fn set_value(&mut self, name: &str, value: ParamValue) {
        let params = self.params();
        let Some(spec) = params.iter().find(|spec| spec.name == name) else { return };
        self.choice.set_value(spec, value.clone());
        if self.is_current() {
            // A value that does not fit is refused by the engine, which says why.
            self.run.anticipate(|shown| drop(shown.set(params, name, value.clone())));
        }
        self.outbox.push(Command::Set { name: name.to_owned(), value });
    }

    /// Turns the run to another class, target or layer: at once where the technique can, else by starting anew.
    pub(super) fn turn_to(&mut self, action: Action) {
        let models = self.run.models();
        let (name, value) = match action {
            Action::SetClass(class) => {
                self.choice.set_class(class, models);
                ("class", ParamValue::Int(class as i64))
            }
            Action::SetTarget(class) => {
                self.choice.set_target(Some(class), models);
                ("target", ParamValue::Int(class as i64))
            }
            Action::SetLayer(layer) => {
                self.choice.set_layer(layer.clone(), models);
                ("layer", ParamValue::Text(layer))
            }
            _ => return,
        };
        if self.run.is_alive() && self.is_current() && self.technique().steered().contains(&name) {
            self.outbox.push(Command::Set { name: name.to_owned(), value });
        } else {
            self.start();
        }
    }

    /// Any class but the photo's own will do.
    pub(super) fn clear_target(&mut self) {
        if self.technique().needs().target != Need::Optional {
            return self.say("this is for attacks that can do without a target");
        }
        self.choice.set_target(None, self.run.models());
        self.start();
    }

    /// Scores the map that is shown; the engine keeps it if nothing else has changed.
    pub(super) fn score(&mut self) {
        if self.technique().group() != Group::Attribution {
            return self.say("this is for attribution methods");
        }
        if self.choice.is_comparison() {
            return self.say("one map is scored at a time; g leaves the comparison");
        }
        let mut spec = self.job();
        spec.task = Task::Score(ScoreSpec::default());
        self.ask_for(spec);
    }
}
