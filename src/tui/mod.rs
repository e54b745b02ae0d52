//! The dashboard: state, actions, key map, panes and dialogs.
//!
//! [`App`] is the whole state and does no I/O: keys and engine updates go in, commands for the engine collect in
//! its outbox, and panes draw it. The loop in here moves things between terminal, engine and state. Nothing in
//! this module touches a tensor.

mod action;
mod app;
mod choices;
mod dialogs;
mod examination;
mod keymap;
mod layout;
mod lens;
mod looks;
mod painted;
mod panes;
mod session;
mod steering;
mod terminal;
mod text;
mod theme;

pub use action::Action;
pub use app::{App, Begin, RunSummary, Setup};
pub use examination::{Examination, examine};
pub use keymap::{BINDINGS, Binding};
pub use session::{Ending, run};
pub use text::printable;
pub use theme::Theme;

use crate::picture::Pictures;
use ratatui::Frame;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &mut App, pictures: &mut Pictures) {
    panes::draw(frame, app, pictures);
}
