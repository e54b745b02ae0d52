//! The parameters, to be changed with + and −, also while a run goes on.

use super::pane::{Canvas, Pane, framed};
use crate::tui::app::{App, Focus};
use crate::tui::layout::Place;
use crate::tui::text::cut;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{List, ListState, Paragraph, Wrap};

/// Columns that a parameter's name and the gap after it keep at least.
const NAME: usize = 16;

pub(super) struct Parameters;

/// Where in the run the picture is from.
fn trail(app: &App, width: usize) -> Line<'static> {
    let (step, last) = (app.run().looked_at(), app.snapshot().course.step.max(1));
    let number = format!(" {step}");
    let length = width.saturating_sub("history ".len() + number.len() + 2).max(1);
    let at = (step.min(last) * (length - 1) / last).min(length - 1);
    let (bar, knob, ends) =
        if app.showing().theme.plain { ('-', 'o', ['[', ']']) } else { ('─', '●', ['├', '┤']) };
    let line: String = (0..length).map(|i| if i == at { knob } else { bar }).collect();
    Line::from(vec![
        Span::styled("history ", app.showing().theme.dim()),
        Span::raw(format!("{}{line}{}", ends[0], ends[1])),
        Span::styled(number, app.showing().theme.strong()),
    ])
}

impl Pane for Parameters {
    fn place(&self) -> Place {
        Place::Parameters
    }

    fn lines(&self, app: &App, _width: u16) -> usize {
        app.params().len()
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let inside = framed(frame, area, app, app.showing().focus == Focus::Parameters, " parameters ", "");
        let theme = app.showing().theme;
        let specs = app.params();
        if specs.is_empty() {
            let text = format!("none. {}", app.technique().about());
            frame.render_widget(Paragraph::new(text).style(theme.dim()).wrap(Wrap { trim: true }), inside);
            return;
        }
        let history_rows = u16::from(app.is_current() && app.snapshot().history.len() > 1);
        let help_rows = if inside.height >= specs.len() as u16 + 3 + history_rows { 3 } else { 0 };
        let rows = [
            Constraint::Max(specs.len() as u16 + 1),
            Constraint::Length(help_rows),
            Constraint::Length(history_rows),
        ];
        let [list, help, history] = Layout::vertical(rows).areas(inside);
        frame.render_widget(Paragraph::new(trail(app, history.width as usize)), history);
        let width = (list.width as usize).saturating_sub(2);
        let lines = specs.iter().map(|spec| {
            let value = app.value(spec);
            let changed_at = app.snapshot().course.changed(spec.name).filter(|_| app.is_current());
            let changed = changed_at.map(|step| format!(" ◂ {step}"));
            let unit = if spec.unit.is_empty() { String::new() } else { format!(" {}", spec.unit) };
            // The name has to stay readable beside a long value.
            let value = cut(&format!("{value}{unit}"), width.saturating_sub(NAME));
            let name = cut(&spec.name.replace('_', " "), width.saturating_sub(value.len() + 1));
            let note = changed.unwrap_or_default();
            let used = name.chars().count() + value.chars().count() + note.chars().count();
            Line::from(vec![
                Span::raw(name),
                Span::raw(" ".repeat(width.saturating_sub(used).max(1))),
                Span::styled(value, theme.strong()),
                Span::styled(note, theme.changed()),
            ])
        });
        let widget = List::new(lines.collect::<Vec<_>>()).highlight_symbol("▸ ").highlight_style(theme.accent());
        let mut state = ListState::default().with_selected(Some(app.showing().parameter));
        frame.render_stateful_widget(widget, list, &mut state);
        if let Some(spec) = specs.get(app.showing().parameter).filter(|_| help_rows > 0) {
            let live = if spec.live { "" } else { " (restarts)" };
            let text = Paragraph::new(format!("{}{live}", spec.help)).style(theme.dim());
            frame.render_widget(text.wrap(Wrap { trim: true }), help);
        }
    }
}
