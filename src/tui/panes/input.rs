//! The photo, with the part of it that the network sees.

use super::pane::{Canvas, Pane, caption, framed, pointed, put};
use crate::engine::Source;
use crate::picture::Importance;
use crate::techniques::Need;
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

    fn shows(&self, app: &App) -> bool {
        app.technique().needs().picture != Need::None
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        let name = printable(&app.choice().picture().map(Source::name).unwrap_or_default());
        let size = app.snapshot().photo.as_ref().map(|p| format!("{}×{}", p.size[0], p.size[1])).unwrap_or_default();
        let foot = pointed("input", app).unwrap_or_else(|| caption(&name, &size, area));
        let title =
            app.seen_size().map_or(" input ".into(), |[width, height]| format!(" input, sees {width}×{height} "));
        let inside = framed(frame, area, app, false, title, foot);
        put(frame, "input", app.photo_content().as_ref(), Importance::Side, inside, app, canvas);
    }
}
