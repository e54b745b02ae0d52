//! What is known of the model.

use super::dialog::{Dialog, Outcome, boxed};
use crate::model::ModelInfo;
use crate::tui::text::{printable, wrapped};
use crate::tui::theme::Theme;
use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

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
        let columns = usize::from(WIDTH.min(area.width)).saturating_sub(2 + HEADING);
        let lines = self.0.iter().flat_map(|(heading, text)| {
            let style = if matches!(*heading, "assumed" | "doubtful") { theme.accent() } else { theme.dim() };
            wrapped(text, columns).into_iter().enumerate().map(move |(i, row)| {
                let heading = if i == 0 { heading } else { "" };
                Line::from(vec![Span::styled(format!("{heading:<HEADING$}"), style), Span::raw(row)])
            })
        });
        let lines: Vec<Line<'_>> = lines.collect();
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
        let inside = boxed(frame, area, theme, "model (any key closes)", (WIDTH, height));
        frame.render_widget(Paragraph::new(lines), inside);
    }
}
