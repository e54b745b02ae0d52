//! What is known of the model.

use super::dialog::{Dialog, Outcome, boxed};
use crate::model::ModelInfo;
use crate::tui::text::{printable, wrapped};
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of the headings.
const HEADING: usize = 11;
/// Columns of the box.
const WIDTH: u16 = 90;

pub(in crate::tui) struct ModelCard {
    lines: Vec<(&'static str, String)>,
    /// From this row on, where it does not fit the screen.
    first: usize,
    /// Rows that do not fit.
    hidden: usize,
}

impl ModelCard {
    pub fn new(model: &ModelInfo) -> Self {
        let lines = model.card().into_iter().filter(|(_, text)| !text.is_empty());
        let lines = lines.map(|(heading, text)| (heading, printable(&text))).collect();
        Self { lines, first: 0, hidden: 0 }
    }
}

impl Dialog for ModelCard {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Down | KeyCode::PageDown if self.hidden > 0 => self.first = (self.first + 1).min(self.hidden),
            KeyCode::Up | KeyCode::PageUp if self.hidden > 0 => self.first = self.first.saturating_sub(1),
            _ => return Outcome::Close,
        }
        Outcome::Stay
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let columns = usize::from(WIDTH.min(area.width)).saturating_sub(2 + HEADING);
        let lines = self.lines.iter().flat_map(|(heading, text)| {
            let style = if matches!(*heading, "assumed" | "doubtful") { theme.accent() } else { theme.dim() };
            wrapped(text, columns).into_iter().enumerate().map(move |(i, row)| {
                let heading = if i == 0 { heading } else { "" };
                Line::from(vec![Span::styled(format!("{heading:<HEADING$}"), style), Span::raw(row)])
            })
        });
        let lines: Vec<Line<'_>> = lines.collect();
        self.hidden = (lines.len() + 2).saturating_sub(area.height.into());
        let title =
            if self.hidden > 0 { "model (↑↓ scroll, any other key closes)" } else { "model (any key closes)" };
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
        let inside = boxed(frame, area, theme, title, (WIDTH, height));
        let shown: Vec<Line<'_>> = lines.into_iter().skip(self.first.min(self.hidden)).collect();
        frame.render_widget(Paragraph::new(shown), inside);
    }
}
