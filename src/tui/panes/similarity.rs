//! The rank correlation of each pair of compared maps, where the parameters stand otherwise.

use super::pane::{Canvas, Pane, framed};
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::{cut, printable};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of a number.
const CELL: usize = 4;

pub(super) struct Similarity;

impl Pane for Similarity {
    fn place(&self) -> Place {
        Place::Parameters
    }

    fn shows(&self, app: &App) -> bool {
        !app.snapshot().view.panels.is_empty()
    }

    fn lines(&self, app: &App, _width: u16) -> usize {
        app.snapshot().view.panels.len() + 1
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let inside = framed(frame, area, app, false, " rank correlation ", "");
        let snapshot = &app.snapshot();
        let (width, count) = (inside.width as usize, snapshot.view.panels.len());
        let name_width = width.saturating_sub((CELL + 1) * count + 2).clamp(4, 18);
        // Whole columns only.
        let columns = (width.saturating_sub(name_width + 2) / (CELL + 1)).min(count);
        let numbers: Vec<String> = (1..=columns).map(|i| format!(" {i:>CELL$}")).collect();
        let head = " ".repeat(name_width + 2) + &numbers.concat();
        let mut lines = vec![Line::styled(head, app.showing().theme.dim())];
        for (i, (panel, row)) in snapshot.view.panels.iter().zip(&snapshot.view.similarity).enumerate() {
            let mut spans = vec![
                Span::styled(format!("{} ", i + 1), app.showing().theme.dim()),
                Span::styled(
                    format!("{:<name_width$}", cut(&printable(&panel.title), name_width)),
                    app.showing().theme.strong(),
                ),
            ];
            for (j, value) in row.iter().take(columns).enumerate() {
                let style = match value {
                    Some(v) if i != j && *v >= 0.7 => app.showing().theme.good(),
                    Some(v) if i != j && *v < 0.2 => app.showing().theme.bad(),
                    Some(_) if i != j => app.showing().theme.changed(),
                    _ => app.showing().theme.dim(),
                };
                let text = value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}").replace("0.", "."));
                spans.push(Span::styled(format!(" {text:>CELL$}"), style));
            }
            lines.push(Line::from(spans));
        }
        if columns < count {
            let note = format!("… {count} columns in all; run.json has them");
            lines.push(Line::styled(cut(&note, width), app.showing().theme.dim()));
        }
        frame.render_widget(Paragraph::new(lines), inside);
    }
}
