//! A fuzzy search over the class labels.

use super::{Dialog, Outcome, boxed};
use crate::nets::labels;
use crate::tui::action::Action;
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{List, ListState, Paragraph};
use tui_input::{Input, InputRequest};

pub(in crate::tui) struct ClassPicker {
    title: &'static str,
    choose: fn(usize) -> Action,
    input: Input,
    found: Vec<usize>,
    state: ListState,
    matcher: Matcher,
}

impl ClassPicker {
    pub fn new(title: &'static str, present: Option<usize>, choose: fn(usize) -> Action) -> Self {
        let found: Vec<usize> = (0..labels::all().len()).collect();
        let state = ListState::default().with_selected(Some(present.unwrap_or(0)));
        Self { title, choose, input: Input::default(), found, state, matcher: Matcher::new(Config::DEFAULT) }
    }

    fn search(&mut self) {
        let query = self.input.value().trim();
        if let Ok(index) = query.parse::<usize>() {
            self.found = if index < labels::all().len() { vec![index] } else { vec![] };
        } else {
            let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
            let mut buffer = vec![];
            let mut scored: Vec<(u32, usize)> = labels::all()
                .iter()
                .enumerate()
                .filter_map(|(i, label)| {
                    let score = pattern.score(Utf32Str::new(label, &mut buffer), &mut self.matcher)?;
                    Some((score, i))
                })
                .collect();
            scored.sort_by_key(|&(score, i)| (std::cmp::Reverse(score), labels::all()[i].len(), i));
            self.found = scored.into_iter().map(|(_, i)| i).collect();
        }
        self.state.select(Some(0));
    }
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

impl Dialog for ClassPicker {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => {
                let chosen = self.state.selected().and_then(|at| self.found.get(at));
                return chosen.map_or(Outcome::Stay, |class| Outcome::Choose((self.choose)(*class)));
            }
            _ => {}
        }
        if !scroll(key, &mut self.state, self.found.len())
            && let Some(request) = edit(key)
            && self.input.handle(request).is_some_and(|change| change.value)
        {
            self.search();
        }
        Outcome::Stay
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let title = format!("{}: type to search, enter chooses, esc leaves it", self.title);
        let inside = boxed(frame, area, theme, &title, (64, 24));
        let [search, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inside);
        let line = Line::from(vec![Span::styled("search ", theme.dim()), Span::raw(self.input.value())]);
        frame.render_widget(Paragraph::new(line), search);
        let column = search.x + 7 + self.input.visual_cursor() as u16;
        frame.set_cursor_position((column.min(search.right().saturating_sub(1)), search.y));
        if self.found.is_empty() {
            frame.render_widget(Paragraph::new("no class contains this").style(theme.dim()), list);
            return;
        }
        let lines = self.found.iter().map(|&i| Line::raw(format!("{i:>4}  {}", labels::all()[i])));
        let widget = List::new(lines).highlight_symbol("▸ ").highlight_style(theme.accent());
        frame.render_stateful_widget(widget, list, &mut self.state);
    }
}
