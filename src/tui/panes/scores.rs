//! What the metrics found so far, where the parameters stand otherwise.

use super::pane::{Canvas, Pane, framed};
use crate::techniques::figure;
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::{cut, short};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) struct Scores;

impl Pane for Scores {
    fn place(&self) -> Place {
        Place::Parameters
    }

    fn shows(&self, app: &App) -> bool {
        !app.snapshot().view.scores.is_empty()
    }

    fn lines(&self, app: &App, _width: u16) -> usize {
        app.snapshot().view.scores.len()
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let inside = framed(
            frame,
            area,
            app,
            false,
            " scores ",
            Line::styled(" r: back ", app.showing().theme.dim()).right_aligned(),
        );
        let width = inside.width as usize;
        let lines = app.snapshot().view.scores.iter().map(|(name, value)| {
            let better = figure(name).arrow();
            let value = short(*value);
            let name = cut(&name.replace('_', " "), width.saturating_sub(value.len() + 3));
            let gap = width.saturating_sub(name.chars().count() + value.chars().count() + 2);
            Line::from(vec![
                Span::raw(name),
                Span::raw(" ".repeat(gap)),
                Span::styled(value, app.showing().theme.strong()),
                Span::styled(format!(" {better}"), app.showing().theme.dim()),
            ])
        });
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inside);
    }
}
