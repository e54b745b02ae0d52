//! The first line: what runs where, how far it is and what it costs.

use super::pane::{Canvas, Pane};
use crate::engine::Phase;
use crate::tui::app::App;
use crate::tui::layout::{Place, WIDE};
use crate::tui::text::{cut, printable};
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of a model's name that are worth showing.
const SHORTEST: usize = 10;

pub(super) struct Header;

impl Pane for Header {
    fn place(&self) -> Place {
        Place::Header
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let (theme, s) = (app.showing().theme, app.snapshot());
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
        let rates = app.showing().rates;
        let pictures =
            if rates.pictures > 0.0 { format!(" · {:.1} pictures/s", rates.pictures) } else { String::new() };
        let pictures = if area.width < WIDE { "" } else { &pictures };
        let line = format!(" · {} · {:.0} kB/s{pictures} ", app.showing().protocol, rates.bytes / 1e3);
        let least = match s.shown {
            Some(shown) => format!(" {shown}/{} ", s.course.step),
            None => format!(" {}/{} ", s.course.step, s.course.total),
        };
        let room = usize::from(area.width);
        let right = |progress: &str, line: String| {
            vec![Span::styled(sign, style), Span::raw(progress.to_owned()), Span::styled(line, theme.dim())]
        };
        let width = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
        // Where not all of it fits, the machine gives way, then the line, then our own name, then the model's end.
        let [name, technique, model, machine] = left;
        let (space, short) = (Span::raw(" "), right(&progress, " ".into()));
        let beside = |spans: &[Span<'_>]| room.saturating_sub(width(spans));
        let shorter = beside(&[&short[..], &[space.clone(), technique.clone(), space.clone()]].concat());
        let model_cut = Span::styled(cut(&model.content, shorter), theme.dim());
        let mut kept = vec![
            (vec![name.clone(), technique.clone(), model.clone(), machine], right(&progress, line.clone())),
            (vec![name.clone(), technique.clone(), model.clone()], right(&progress, line)),
            (vec![name, technique.clone(), model.clone()], short.clone()),
            (vec![space.clone(), technique.clone(), model], short.clone()),
        ];
        if shorter >= SHORTEST {
            kept.push((vec![space.clone(), technique.clone(), model_cut], short.clone()));
        }
        let least = right(&least, String::new());
        kept.push((vec![space.clone(), technique.clone(), space.clone()], least.clone()));
        let fits = |(left, right): &&(Vec<_>, Vec<_>)| width(left) + width(right) <= room;
        let (left, right) = kept.iter().find(fits).cloned().unwrap_or_else(|| {
            let technique = cut(&technique.content, beside(&least).saturating_sub(2));
            (vec![space, Span::styled(technique, theme.accent())], least)
        });
        let (left, right) = (Line::from(left), Line::from(right));
        frame.render_widget(Paragraph::new(left), area);
        frame.render_widget(Paragraph::new(right).alignment(Alignment::Right), area);
    }
}
