//! How a dashboard begins and why it closes.

use crate::engine::JobSpec;
use crate::imaging::Display;
use crate::tui::theme::Theme;
use std::path::PathBuf;

/// What the dashboard starts with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The first run; its technique is where the dashboard opens.
    pub spec: JobSpec,
    /// How it comes about.
    pub begin: Begin,
    /// How things look.
    pub theme: Theme,
    /// How maps are shown.
    pub display: Display,
    /// Bytes a second to the terminal at most; what the line bears unless given.
    pub bandwidth: Option<f64>,
}

/// How a dashboard comes by its first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// It starts it.
    Start,
    /// It goes on already.
    Watch,
    /// It is taken up from a folder.
    Restore(PathBuf),
}

/// Why a dashboard closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum Leaving {
    /// The run ends with it.
    Quit,
    /// The run goes on.
    Detach,
    /// The terminal is gone; the run goes on.
    Lost,
}

/// What was asked of the program as a whole.
#[derive(Debug, Default)]
pub(super) struct Exit {
    leaving: Option<Leaving>,
    suspend: bool,
    interrupted: bool,
}

impl Exit {
    /// Why the dashboard closes, if it does.
    pub fn leaving(&self) -> Option<Leaving> {
        self.leaving
    }

    /// Closes the dashboard; the first reason counts.
    pub fn leave(&mut self, why: Leaving) {
        self.leaving.get_or_insert(why);
    }

    /// The system asks for it.
    pub fn interrupt(&mut self, why: Leaving) {
        self.interrupted = true;
        self.leave(why);
    }

    /// Whether the system asked for it.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Asks for the shell.
    pub fn suspend(&mut self) {
        self.suspend = true;
    }

    /// Whether the shell was asked for since the last call.
    pub fn take_suspend(&mut self) -> bool {
        std::mem::take(&mut self.suspend)
    }
}
