//! The rank correlation of each pair of compared maps, where the parameters stand otherwise.

use super::pane::framed;
use crate::tui::app::App;
use crate::tui::text::{cut, printable};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of a number.
const CELL: usize = 4;

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let inside = framed(frame, area, app, false, " rank correlation ", "");
    let snapshot = &app.snapshot();
    let (width, count) = (inside.width as usize, snapshot.view.panels.len());
    let name_width = width.saturating_sub((CELL + 1) * count + 2).clamp(4, 18);
    // Whole columns only.
    let columns = (width.saturating_sub(name_width + 2) / (CELL + 1)).min(count);
    let numbers: Vec<String> = (1..=columns).map(|i| format!(" {i:>CELL$}")).collect();
    let head = " ".repeat(name_width + 2) + &numbers.concat();
    let mut lines = vec![Line::styled(head, app.view().theme.dim())];
    for (i, (panel, row)) in snapshot.view.panels.iter().zip(&snapshot.view.similarity).enumerate() {
        let mut spans = vec![
            Span::styled(format!("{} ", i + 1), app.view().theme.dim()),
            Span::styled(
                format!("{:<name_width$}", cut(&printable(&panel.title), name_width)),
                app.view().theme.strong(),
            ),
        ];
        for (j, value) in row.iter().take(columns).enumerate() {
            let style = match value {
                _ if i == j => app.view().theme.dim(),
                v if *v >= 0.7 => app.view().theme.good(),
                v if *v < 0.2 => app.view().theme.bad(),
                _ => app.view().theme.changed(),
            };
            let text = format!("{value:.2}").replace("0.", ".");
            spans.push(Span::styled(format!(" {text:>CELL$}"), style));
        }
        lines.push(Line::from(spans));
    }
    if columns < count {
        let note = format!("… {count} columns in all; run.json has them");
        lines.push(Line::styled(cut(&note, width), app.view().theme.dim()));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}
