//! A run on its way to the disk and back.

use super::history::{Frame, History};
use super::present::Run;
use crate::engine::protocol::{Course, Phase};
use crate::engine::store::checkpoint::Saved;
use crate::error::Result;
use crate::imaging::Picture;
use crate::techniques::State;
use std::time::{Duration, Instant};

impl Run {
    /// Everything of the run but its job's tensors and its pictures; and those tensors, if the job can hand them out.
    pub fn saved(&self) -> (Saved, Option<State>) {
        let saved = Saved {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            origin: self.origin.clone(),
            folder: std::env::current_dir().unwrap_or_default(),
            script: self.script.iter().cloned().collect(),
            weights: self.context.model.info.provenance.sha256.clone(),
            course: self.course.clone(),
            facts: (self.course.phase == Phase::Finished).then(|| self.facts()),
            looked: self.looked,
            computing_seconds: self.computing.as_secs_f64(),
            wall_seconds: self.wall_seconds(),
        };
        (saved, self.job.save_state())
    }

    /// Takes up a run where it was saved. `self` has the saved one's beginning; `first` is the job's state there. A job that
    /// hands out no state begins anew and comes to the same bits by the same steps.
    ///
    /// # Errors
    /// If the state is not this job's.
    pub fn restore(
        &mut self,
        saved: Saved,
        state: Option<State>,
        first: Option<&State>,
        pictures: Vec<(usize, Picture)>,
    ) -> Result<()> {
        let Saved { origin, course, script, .. } = saved;
        self.origin.parameters = origin.parameters;
        self.origin.branched_from = origin.branched_from;
        self.script = origin.changes.iter().chain(&script).cloned().collect();
        let Some(state) = state else { return Ok(()) };
        self.looked = saved.looked.max(1);
        // Every change that had been made by then, that of the last step included.
        for _ in &origin.changes {
            let Some(change) = self.script.pop_front() else { break };
            self.course.step = change.step;
            self.set_live(&change.name, change.value)?;
        }
        self.job.load_state(&state)?;
        self.view = self.job.view()?;
        self.origin.changes = origin.changes;
        self.last_facts = saved.facts;
        self.computing = Duration::from_secs_f64(saved.computing_seconds.clamp(0.0, 1e9));
        let wall = Duration::from_secs_f64(saved.wall_seconds.clamp(0.0, 1e9));
        self.started = Instant::now().checked_sub(wall).unwrap_or_else(Instant::now);
        let phase = match course.phase {
            Phase::Running | Phase::Loading | Phase::Idle => Phase::Running,
            Phase::Finished => Phase::Finished,
            Phase::Paused | Phase::Stopped | Phase::Failed => Phase::Paused,
        };
        let step = course.step;
        self.course = Course { phase, ..course };
        let mut history = History::default();
        for (at, picture) in pictures.into_iter().filter(|(at, _)| *at <= step) {
            history.note(Frame { step: at, picture, top: vec![] }, || first.cloned().filter(|_| at == 0));
        }
        history.keep_state(step, state);
        self.history = history;
        Ok(())
    }
}
