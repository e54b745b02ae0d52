//! The photo, with the part of it that the network sees.

use super::pane::{Canvas, Pane, caption, framed, pointed, put};
use crate::engine::Source;
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::printable;
use ratatui::Frame;
use ratatui::layout::Rect;

pub(super) struct Input;

impl Pane for Input {
    fn place(&self) -> Place {
        Place::Input
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        let name = app.choice().picture().map(Source::name).unwrap_or_default();
        let foot = pointed("input", app).unwrap_or_else(|| caption(&printable(&name), &app.photo_sizes(), area));
        let inside = framed(frame, area, app, false, " input ", foot);
        put(frame, "input", app.photo_content().as_ref(), inside, app, canvas);
    }
}
