//! The list of techniques.

use super::pane::{Canvas, Pane, framed};
use crate::techniques::TECHNIQUES;
use crate::tui::app::{App, Focus};
use crate::tui::layout::Place;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{List, ListState};

pub(super) struct Techniques;

impl Pane for Techniques {
    fn place(&self) -> Place {
        Place::Techniques
    }

    fn lines(&self, _app: &App, _width: u16) -> usize {
        TECHNIQUES.len()
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let inside = framed(frame, area, app, app.showing().focus == Focus::Techniques, " techniques ", "");
        let lines = TECHNIQUES.iter().enumerate().map(|(i, technique)| {
            let number = if i < 9 { (i + 1).to_string() } else { " ".into() };
            Line::from(vec![Span::styled(format!("{number} "), app.showing().theme.dim()), Span::raw(technique.id())])
        });
        let list = List::new(lines).highlight_symbol("▸ ").highlight_style(app.showing().theme.accent());
        let mut state = ListState::default().with_selected(Some(app.choice().place()));
        frame.render_stateful_widget(list, inside, &mut state);
    }
}
