//! Maps side by side.

use super::pane::{Canvas, Pane, framed, put};
use crate::picture::Importance;
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::{cut, printable, short};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// A picture slot a map.
const SLOTS: [&str; 9] = ["map 1", "map 2", "map 3", "map 4", "map 5", "map 6", "map 7", "map 8", "map 9"];

pub(super) struct Comparison;

impl Pane for Comparison {
    fn place(&self) -> Place {
        Place::Result
    }

    fn shows(&self, app: &App) -> bool {
        !app.snapshot().view.panels.is_empty()
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        let titles: Vec<String> = app.snapshot().view.panels.iter().map(|p| printable(&p.title)).collect();
        let foot = Line::styled(" g: back to one map ", app.showing().theme.dim()).right_aligned();
        let inside = framed(frame, area, app, false, " comparison ", foot);
        let columns = columns(titles.len(), inside);
        let rows = titles.len().div_ceil(columns);
        let lines = Layout::vertical(vec![Constraint::Fill(1); rows]).split(inside);
        for (row, line) in lines.iter().enumerate() {
            let cells = Layout::horizontal(vec![Constraint::Fill(1); columns]).spacing(1).split(*line);
            for (column, cell) in cells.iter().enumerate() {
                let panel = row * columns + column;
                let (Some(title), Some(slot)) = (titles.get(panel), SLOTS.get(panel)) else { continue };
                let [head, picture] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(*cell);
                let most = app
                    .snapshot()
                    .view
                    .panels
                    .get(panel)
                    .map(|p| short(f64::from(p.heat.range().1)))
                    .unwrap_or_default();
                let name = cut(title, (cell.width as usize).saturating_sub(most.len() + 5));
                let head_line = Line::from(vec![
                    Span::styled(format!("{} ", panel + 1), app.showing().theme.dim()),
                    Span::styled(name, app.showing().theme.strong()),
                    Span::styled(format!(" ≤ {most}"), app.showing().theme.dim()),
                ]);
                frame.render_widget(Paragraph::new(head_line), head);
                let content = app.panel_content(panel);
                put(frame, slot, content.as_ref(), Importance::Main, picture, app, canvas);
            }
        }
    }
}

/// The number of columns that makes square pictures largest; a character is about twice as high as it is wide.
fn columns(count: usize, area: Rect) -> usize {
    let side = |columns: usize| {
        let rows = count.div_ceil(columns);
        let height = (f64::from(area.height) / rows as f64 - 1.0) * 2.0;
        (f64::from(area.width) / columns as f64).min(height)
    };
    (1..=count.max(1)).max_by(|&a, &b| side(a).total_cmp(&side(b)).then(b.cmp(&a))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_screens_have_more_columns() {
        assert_eq!(columns(4, Rect::new(0, 0, 80, 40)), 2);
        assert_eq!(columns(4, Rect::new(0, 0, 160, 20)), 4);
        assert_eq!(columns(9, Rect::new(0, 0, 90, 48)), 3);
    }
}
