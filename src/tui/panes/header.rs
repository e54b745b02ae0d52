//! The first line: what runs where, how far it is and what it costs.

use super::pane::{Canvas, Pane};
use crate::engine::Phase;
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::printable;
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) struct Header;

impl Pane for Header {
    fn place(&self) -> Place {
        Place::Header
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let (theme, s) = (app.view().theme, app.snapshot());
        let threads = if s.machine.threads == 1 { "thread" } else { "threads" };
        let left = Line::from(vec![
            Span::styled(" gradlens  ", theme.strong()),
            Span::styled(app.technique().id(), theme.accent()),
            Span::styled(
                format!("  {} · {} {} {threads}", printable(&s.model), s.machine.device, s.machine.threads),
                theme.dim(),
            ),
        ]);
        let (sign, style) = match s.course.phase {
            Phase::Idle | Phase::Loading => ("… loading", theme.dim()),
            Phase::Running => ("▶", theme.good()),
            Phase::Paused => ("‖ paused", theme.changed()),
            Phase::Finished => ("■ done", theme.good()),
            Phase::Stopped => ("■ stopped", theme.changed()),
            Phase::Failed => ("✖ failed", theme.bad()),
        };
        let pace = if s.busy_ms > 0 {
            format!("{:.1} s in this step", s.busy_ms as f64 / 1e3)
        } else {
            format!("{:.0} ms/step", s.ms_per_step)
        };
        let progress = match s.shown {
            Some(shown) => format!(" looking at step {shown} of {}", s.course.step),
            None => format!(" step {}/{} · {pace}", s.course.step, s.course.total),
        };
        let rates = app.view().rates;
        let pictures =
            if rates.pictures > 0.0 { format!(" · {:.1} pictures/s", rates.pictures) } else { String::new() };
        let line = format!(" · {} · {:.0} kB/s{pictures} ", app.view().protocol, rates.bytes / 1e3);
        let line = if area.width < 110 { line.replace(&pictures, "") } else { line };
        let right = Line::from(vec![Span::styled(sign, style), Span::raw(progress), Span::styled(line, theme.dim())]);
        let room = (area.width as usize).saturating_sub(right.width());
        // Where both do not fit, the model gives way.
        let left = if left.width() <= room { left } else { Line::from(left.spans[..2].to_vec()) };
        frame.render_widget(Paragraph::new(left), area);
        frame.render_widget(Paragraph::new(right).alignment(Alignment::Right), area);
    }
}
