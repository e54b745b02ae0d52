//! What is known of the model.

use super::dialog::{Dialog, Outcome, boxed};
use crate::model::ModelInfo;
use crate::tui::text::printable;
use crate::tui::theme::Theme;
use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

/// Columns of the headings.
const HEADING: usize = 11;
/// Columns of the box.
const WIDTH: u16 = 90;

pub(in crate::tui) struct ModelCard(Vec<(&'static str, String)>);

impl ModelCard {
    pub fn new(model: &ModelInfo) -> Self {
        let lines = model.card().into_iter().filter(|(_, text)| !text.is_empty());
        Self(lines.map(|(heading, text)| (heading, printable(&text))).collect())
    }
}

impl Dialog for ModelCard {
    fn on_key(&mut self, _: &KeyEvent) -> Outcome {
        Outcome::Close
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let line = |(heading, text): &(&str, String)| {
            let style = if matches!(*heading, "assumed" | "doubtful") { theme.accent() } else { theme.dim() };
            Line::from(vec![Span::styled(format!("{heading:<HEADING$}"), style), Span::raw(text.clone())])
        };
        let text = Paragraph::new(self.0.iter().map(line).collect::<Vec<_>>()).wrap(Wrap { trim: false });
        let columns = usize::from(WIDTH.min(area.width).saturating_sub(2).max(1));
        let rows: usize = self.0.iter().map(|(_, text)| (HEADING + text.chars().count()).div_ceil(columns)).sum();
        // Words that are kept whole leave gaps at the ends of lines.
        let height = u16::try_from(rows + self.0.len() / 4 + 2).unwrap_or(u16::MAX);
        let inside = boxed(frame, area, theme, "model (any key closes)", (WIDTH, height));
        frame.render_widget(text, inside);
    }
}
