//! The dashboard: state, actions, key map, panes and dialogs.
//!
//! [`App`] is the whole state and does no I/O: keys and engine updates go in, commands for the engine collect in
//! its outbox, and [`draw`] shows it. The event loop moves things between terminal, engine and state. Nothing in
//! this module touches a tensor.

mod action;
mod app;
mod content;
mod dialogs;
mod doctor;
mod event_loop;
mod keymap;
mod layout;
mod map_display;
mod panes;
mod pickers;
mod picture_cache;
mod terminal_guard;
mod text;
mod theme;
mod zoom;

pub use action::Action;
pub use app::{App, Begin, RunSummary, Setup};
pub use doctor::{Examination, examine};
pub use event_loop::{SessionEnd, run};
pub use keymap::{BINDINGS, Binding, When};
pub use panes::draw;
pub use text::{printable, steers};
pub use theme::Theme;
