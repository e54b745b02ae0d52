//! What an attack added to the photo, magnified, with its norms and what the result survives.

use super::pane::{Canvas, Pane, framed, pointed, put};
use crate::picture::Importance;
use crate::techniques::{Finding, Group};
use crate::tui::app::App;
use crate::tui::content::Content;
use crate::tui::layout::Place;
use crate::tui::text::printable;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) struct Perturbation;

impl Pane for Perturbation {
    fn place(&self) -> Place {
        Place::Second
    }

    fn shows(&self, app: &App) -> bool {
        app.technique().group() == Group::Adversarial
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        let inside =
            framed(frame, area, app, false, " perturbation ", pointed("perturbation", app).unwrap_or_default());
        let lines = lines(app, inside.width as usize);
        // The picture keeps at least half of the pane.
        let rows = (lines.len() as u16).min(inside.height / 2);
        let [picture, text] = Layout::vertical([Constraint::Fill(1), Constraint::Length(rows)]).areas(inside);
        let content = app.snapshot().view.perturbation.clone().map(Content::Part);
        put(frame, "perturbation", content.as_ref(), Importance::Side, picture, app, canvas);
        frame.render_widget(Paragraph::new(lines), text);
    }
}

/// Names and values, as many on a line as fit.
fn lines(app: &App, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Vec<Span<'static>>> = vec![vec![]];
    let mut used = 0;
    for Finding { name, value, success } in &app.snapshot().view.findings {
        let (name, value) = (printable(name), printable(value));
        let size = name.chars().count() + value.chars().count() + 1;
        if used > 0 && used + 2 + size > width {
            lines.push(vec![]);
            used = 0;
        }
        let line = lines.last_mut().expect("there is always a line");
        if used > 0 {
            line.push(Span::raw("  "));
            used += 2;
        }
        let style = match success {
            Some(true) => app.showing().theme.good(),
            Some(false) => app.showing().theme.changed(),
            None => app.showing().theme.strong(),
        };
        line.extend([Span::styled(format!("{name} "), app.showing().theme.dim()), Span::styled(value, style)]);
        used += size;
    }
    lines.into_iter().map(Line::from).collect()
}
