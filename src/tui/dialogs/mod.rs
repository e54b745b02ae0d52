//! Dialogs: one file each.

mod entry;
mod file_picker;
mod help;
mod picker;

pub(super) use entry::Entry;
pub(super) use file_picker::FilePicker;
pub(super) use help::Help;
pub(super) use picker::Picker;

use super::action::Action;
use super::theme::Theme;
use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Block, BorderType, Clear};

/// What a key did to a dialog.
pub(super) enum Outcome {
    /// It stays open.
    Stay,
    /// It closes and nothing changes.
    Close,
    /// It closes with a choice.
    Choose(Action),
}

/// Something that takes the keys until it is closed.
pub(super) trait Dialog {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome;
    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme);
}

/// Clears a box in the middle of `area` and frames it; the answer is its inside.
fn boxed(frame: &mut Frame<'_>, area: Rect, theme: Theme, title: &str, (width, height): (u16, u16)) -> Rect {
    let [row] = Layout::vertical([Constraint::Length(height.min(area.height))])
        .flex(ratatui::layout::Flex::Center)
        .areas(area);
    let [place] = Layout::horizontal([Constraint::Length(width.min(area.width))])
        .flex(ratatui::layout::Flex::Center)
        .areas(row);
    let block =
        Block::bordered().border_type(BorderType::Rounded).border_style(theme.accent()).title(format!(" {title} "));
    let inside = block.inner(place);
    frame.render_widget(Clear, place);
    frame.render_widget(block, place);
    inside
}
