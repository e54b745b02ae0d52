//! The keys.

use super::{Dialog, Outcome, boxed};
use crate::tui::keymap::BINDINGS;
use crate::tui::theme::Theme;
use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

pub(in crate::tui) struct Help;

impl Dialog for Help {
    fn on_key(&mut self, _key: &KeyEvent) -> Outcome {
        Outcome::Close
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let line = |(keys, help): (&'static str, &'static str)| {
            Line::from(vec![Span::styled(format!("{keys:>7}  "), theme.accent()), Span::raw(help)])
        };
        let lines: Vec<Line<'_>> = BINDINGS.iter().map(|b| line((b.keys, b.help))).collect();
        let height = lines.len() as u16 + 2;
        let inside = boxed(frame, area, theme, "keys (any key closes)", (90, height));
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inside);
    }
}
