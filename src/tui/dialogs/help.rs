//! The keys.

use super::dialog::{Dialog, Outcome, boxed};
use crate::tui::keymap::{BINDINGS, Binding};
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

/// The list of keys, from a line on where it does not fit the screen.
#[derive(Default)]
pub(in crate::tui) struct Help {
    first: u16,
    /// Lines that do not fit.
    hidden: u16,
}

impl Dialog for Help {
    fn on_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Down | KeyCode::PageDown if self.first < self.hidden => self.first += 1,
            KeyCode::Up | KeyCode::PageUp if self.hidden > 0 => self.first = self.first.saturating_sub(1),
            _ => return Outcome::Close,
        }
        Outcome::Stay
    }

    fn render(&mut self, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
        let line = |(keys, help): (&'static str, &'static str)| {
            Line::from(vec![Span::styled(format!("{keys:>7}  "), theme.accent()), Span::raw(help)])
        };
        let lines: Vec<Line<'_>> = BINDINGS.iter().map(|b| line((b.keys, b.help))).collect();
        let height = lines.len() as u16 + 2;
        let title =
            if self.hidden > 0 { "keys (↑↓ scroll, any other key closes)" } else { "keys (any key closes)" };
        let inside = boxed(frame, area, theme, title, (90, height));
        let text = Paragraph::new(lines).wrap(Wrap { trim: false });
        let rows = |b: &Binding| (9 + b.help.chars().count() as u16).div_ceil(inside.width.max(1));
        self.hidden = BINDINGS.iter().map(rows).sum::<u16>().saturating_sub(inside.height);
        frame.render_widget(text.scroll((self.first.min(self.hidden), 0)), inside);
    }
}
