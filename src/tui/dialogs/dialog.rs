//! What dialogs have in common.

use crate::tui::action::Action;
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Block, BorderType, Clear, ListState};
use tui_input::InputRequest;

/// What a key did to a dialog.
pub(in crate::tui) enum Outcome {
    /// It stays open.
    Stay,
    /// It closes and nothing changes.
    Close,
    /// It closes with a choice.
    Choose(Action),
}

/// Something that takes the keys until it is closed.
pub(in crate::tui) trait Dialog {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome;
    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme);
}

/// Clears a box in the middle of `area` and frames it; the answer is its inside.
pub(super) fn boxed(
    frame: &mut Frame<'_>,
    area: Rect,
    theme: Theme,
    title: &str,
    (width, height): (u16, u16),
) -> Rect {
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

/// The change a key makes to a line of text.
pub(super) fn edit(key: &KeyEvent) -> Option<InputRequest> {
    match key.code {
        KeyCode::Char(c) => Some(InputRequest::InsertChar(c)),
        KeyCode::Backspace => Some(InputRequest::DeletePrevChar),
        KeyCode::Delete => Some(InputRequest::DeleteNextChar),
        KeyCode::Left => Some(InputRequest::GoToPrevChar),
        KeyCode::Right => Some(InputRequest::GoToNextChar),
        _ => None,
    }
}

/// Moves a list's selection by a key; whether the key was for the list.
pub(super) fn scroll(key: &KeyEvent, state: &mut ListState, count: usize) -> bool {
    let last = count.saturating_sub(1);
    let at = state.selected().unwrap_or(0);
    let to = match key.code {
        KeyCode::Up => at.saturating_sub(1),
        KeyCode::Down => at + 1,
        KeyCode::PageUp => at.saturating_sub(10),
        KeyCode::PageDown => at + 10,
        KeyCode::Home => 0,
        KeyCode::End => last,
        _ => return false,
    };
    state.select(Some(to.min(last)));
    true
}
