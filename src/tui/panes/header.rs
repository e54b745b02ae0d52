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
        let machine = format!(" · {} {} {threads}", s.machine.device, s.machine.threads);
        let left = [
            Span::styled(" gradlens  ", theme.strong()),
            Span::styled(app.technique().id(), theme.accent()),
            Span::styled(format!("  {}", printable(&s.model)), theme.dim()),
            Span::styled(machine, theme.dim()),
        ];
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
        let right = |line: String| {
            vec![Span::styled(sign, style), Span::raw(progress.clone()), Span::styled(line, theme.dim())]
        };
        // Where not all of it fits, the machine gives way, then the line, then our own name, then the model.
        let [name, technique, model, machine] = left;
        let kept = [
            (vec![name.clone(), technique.clone(), model.clone(), machine], right(line.clone())),
            (vec![name.clone(), technique.clone(), model.clone()], right(line)),
            (vec![name.clone(), technique.clone(), model.clone()], right(" ".into())),
            (vec![Span::raw(" "), technique.clone(), model], right(" ".into())),
            (vec![name, technique], right(" ".into())),
        ];
        let width = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
        let fits = |(left, right): &&(Vec<_>, Vec<_>)| width(left) + width(right) <= usize::from(area.width);
        let (left, right) = kept.iter().find(fits).or(kept.last()).cloned().unwrap_or_default();
        let (left, right) = (Line::from(left), Line::from(right));
        frame.render_widget(Paragraph::new(left), area);
        frame.render_widget(Paragraph::new(right).alignment(Alignment::Right), area);
    }
}
