//! The style picture.

use super::pane::{Canvas, Pane, caption, framed, put};
use crate::engine::Source;
use crate::picture::Importance;
use crate::techniques::Need;
use crate::tui::app::App;
use crate::tui::content::Content;
use crate::tui::layout::Place;
use crate::tui::text::printable;
use ratatui::Frame;
use ratatui::layout::Rect;

pub(super) struct Style;

impl Pane for Style {
    fn place(&self) -> Place {
        Place::Second
    }

    fn shows(&self, app: &App) -> bool {
        app.technique().needs().style != Need::None
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        let content = app.snapshot().style.clone().map(Content::Alone);
        let name = app.choice().style().map(Source::name).unwrap_or_default();
        let size = content.as_ref().map(Content::size_in_words).unwrap_or_default();
        let inside = framed(frame, area, app, false, " style ", caption(&printable(&name), &size, area));
        put(frame, "style", content.as_ref(), Importance::Side, inside, app, canvas);
    }
}
