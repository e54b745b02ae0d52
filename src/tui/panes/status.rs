//! The last line: a message if there is one, otherwise what the keys do here.

use super::pane::{Canvas, Pane};
use crate::engine::Phase;
use crate::techniques::Need;
use crate::tui::app::App;
use crate::tui::keymap::BINDINGS;
use crate::tui::layout::Place;
use crate::tui::text::cut;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) struct Status;

impl Pane for Status {
    fn place(&self) -> Place {
        Place::Status
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let theme = app.view().theme;
        let width = area.width as usize;
        if let Some(message) = app.message() {
            let style = if message.bad { theme.bad() } else { theme.good() };
            let text = cut(&format!(" {}", message.text), width);
            frame.render_widget(Paragraph::new(Line::styled(text, style)), area);
            return;
        }
        let mut spans = vec![];
        let mut used = 0;
        let important = ["?", "q"];
        let reserve: usize = BINDINGS.iter().filter(|b| important.contains(&b.keys)).map(size).sum();
        let shown = BINDINGS.iter().filter(|b| !b.short.is_empty() && applies(app, b.keys));
        for binding in shown {
            let kept = important.contains(&binding.keys);
            if used + size(binding) + if kept { 0 } else { reserve } > width {
                continue;
            }
            used += size(binding);
            spans.push(Span::styled(format!(" {} ", binding.keys), theme.accent()));
            let word = if binding.keys == "space" && app.snapshot().course.phase == Phase::Paused {
                "go on"
            } else {
                binding.short
            };
            spans.push(Span::raw(format!("{word} ")));
        }
        frame.render_widget(Paragraph::new(Line::from(spans)), area);
    }
}

fn size(binding: &crate::tui::keymap::Binding) -> usize {
    binding.keys.chars().count() + binding.short.chars().count() + 3
}

/// Whether a key does something for the present technique and run.
fn applies(app: &App, keys: &str) -> bool {
    let needs = app.technique().needs();
    let alive = matches!(app.snapshot().course.phase, Phase::Running | Phase::Paused);
    match keys {
        "space" | "." | "x" => alive,
        "[ ]" | "b" => app.is_current() && app.snapshot().history.len() > 1,
        "l" => needs.layer != Need::None,
        "g" | "e" => app.technique().group() == crate::techniques::Group::Attribution,
        "c" => needs.class != Need::None || needs.target != Need::None,
        "y" => needs.style != Need::None,
        "↑↓" | "+-" => !app.params().is_empty(),
        "v" => app.snapshot().view.heat.is_some(),
        _ => true,
    }
}
