//! The last line: a message if there is one (which may take more lines), otherwise what the keys do here.

use super::pane::{Canvas, Pane};
use crate::engine::Phase;
use crate::techniques::{Group, Need};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::keymap::{BINDINGS, Binding, When};
use crate::tui::layout::Place;
use crate::tui::text::{cut, wrapped};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Lines of a message at most.
const MOST_LINES: usize = 4;

pub(super) struct Status;

impl Pane for Status {
    fn place(&self) -> Place {
        Place::Status
    }

    fn lines(&self, app: &App, width: u16) -> usize {
        let width = usize::from(width).saturating_sub(1);
        app.message().map_or(1, |message| wrapped(&message.text, width).len()).clamp(1, MOST_LINES)
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let theme = app.showing().theme;
        let width = area.width as usize;
        if let Some(message) = app.message() {
            let style = if message.bad { theme.bad() } else { theme.good() };
            // Lines on screens where words do not fit in exactly as many as were reserved are cut.
            let rows = wrapped(&message.text, width.saturating_sub(1));
            let more = rows.len() > area.height as usize;
            let shown = rows.iter().take(area.height as usize).enumerate().map(|(i, row)| {
                let last = more && i + 1 == area.height as usize;
                Line::styled(cut(&format!(" {row}{}", if last { " …" } else { "" }), width), style)
            });
            frame.render_widget(Paragraph::new(shown.collect::<Vec<_>>()), area);
            return;
        }
        let mut spans = vec![];
        let mut used = 0;
        let reserve: usize = BINDINGS.iter().filter(|b| b.always_shown).map(size).sum();
        for binding in BINDINGS.iter().filter(|b| !b.short.is_empty() && holds(app, b.when)) {
            let reserve = if binding.always_shown { 0 } else { reserve };
            if used + size(binding) + reserve > width {
                continue;
            }
            used += size(binding);
            spans.push(Span::styled(format!(" {} ", binding.keys), theme.accent()));
            let goes_on = binding.does(&Action::TogglePause) && app.phase() == Phase::Paused;
            spans.push(Span::raw(format!("{} ", if goes_on { "go on" } else { binding.short })));
        }
        frame.render_widget(Paragraph::new(Line::from(spans)), area);
    }
}

fn size(binding: &Binding) -> usize {
    binding.keys.chars().count() + binding.short.chars().count() + 3
}

/// Whether something is so for the present technique and run.
fn holds(app: &App, when: When) -> bool {
    let needs = app.technique().needs();
    match when {
        When::Always => true,
        When::Alive => app.run().is_alive(),
        When::History => app.is_current() && app.snapshot().history.len() > 1,
        When::Layer => needs.layer != Need::None,
        When::Class => needs.about_a_class(),
        When::Style => needs.style != Need::None,
        When::Attribution => app.technique().group() == Group::Attribution,
        When::Parameters => !app.params().is_empty(),
        When::Map => app.snapshot().view.heat.is_some(),
    }
}
