//! The likeliest classes of the present picture.

use super::{Canvas, Pane, framed};
use crate::engine::ClassName;
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::{bar, cut};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) struct Top;

impl Pane for Top {
    fn place(&self) -> Place {
        Place::Top
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let inside = framed(frame, area, app, false, " top 5 ", "");
        let theme = app.theme;
        let width = inside.width as usize;
        let name_width = (width / 2).clamp(8, 24);
        let bar_width = width.saturating_sub(name_width + 9);
        let marked = [&app.spec.class, &app.spec.target].map(|class| class.as_ref().and_then(ClassName::index));
        let lines: Vec<Line<'_>> = app
            .snapshot
            .course
            .top
            .iter()
            .map(|p| {
                let share = f64::from(p.probability);
                let style = if marked.contains(&Some(p.index)) { theme.accent() } else { theme.strong() };
                Line::from(vec![
                    Span::styled(format!("{:<name_width$} ", cut(&p.label, name_width)), style),
                    Span::styled(bar(share, bar_width, theme.plain), theme.good()),
                    Span::raw(format!(" {:>5.1} %", share * 100.0)),
                ])
            })
            .collect();
        frame.render_widget(Paragraph::new(lines), inside);
    }
}
