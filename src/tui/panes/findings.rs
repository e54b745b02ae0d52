//! What a comparison or an evaluation found, where the parameters stand otherwise.

use super::framed;
use crate::techniques::evaluation::score;
use crate::tui::app::App;
use crate::tui::text::{cut, printable, short};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// The rank correlation of each pair of maps.
pub(super) fn similarity(frame: &mut Frame<'_>, area: Rect, app: &App) {
    const CELL: usize = 4;
    let inside = framed(frame, area, app, false, " rank correlation ", "");
    let snapshot = &app.snapshot;
    let name_width = (inside.width as usize).saturating_sub((CELL + 1) * snapshot.view.panels.len() + 2).clamp(4, 18);
    let numbers: Vec<String> = (1..=snapshot.view.panels.len()).map(|i| format!(" {i:>CELL$}")).collect();
    let head = " ".repeat(name_width + 2) + &numbers.concat();
    let mut lines = vec![Line::styled(head, app.theme.dim())];
    for (i, (panel, row)) in snapshot.view.panels.iter().zip(&snapshot.view.similarity).enumerate() {
        let mut spans = vec![
            Span::styled(format!("{} ", i + 1), app.theme.dim()),
            Span::styled(format!("{:<name_width$}", cut(&printable(&panel.title), name_width)), app.theme.strong()),
        ];
        for (j, value) in row.iter().enumerate() {
            let style = match value {
                _ if i == j => app.theme.dim(),
                v if *v >= 0.7 => app.theme.good(),
                v if *v < 0.2 => app.theme.bad(),
                _ => app.theme.changed(),
            };
            let text = format!("{value:.2}").replace("0.", ".");
            spans.push(Span::styled(format!(" {text:>CELL$}"), style));
        }
        lines.push(Line::from(spans));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// What the metrics found so far.
pub(super) fn scores(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let inside =
        framed(frame, area, app, false, " scores ", Line::styled(" r: back ", app.theme.dim()).right_aligned());
    let width = inside.width as usize;
    let lines = app.snapshot.view.scores.iter().map(|(name, value)| {
        let better = match score(name).and_then(|s| s.more_is_better) {
            Some(true) => "↑",
            Some(false) => "↓",
            None => " ",
        };
        let value = short(*value);
        let name = cut(&name.replace('_', " "), width.saturating_sub(value.len() + 3));
        let gap = width.saturating_sub(name.chars().count() + value.chars().count() + 2);
        Line::from(vec![
            Span::raw(name),
            Span::raw(" ".repeat(gap)),
            Span::styled(value, app.theme.strong()),
            Span::styled(format!(" {better}"), app.theme.dim()),
        ])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inside);
}
