//! What panes have in common.

use crate::picture::{Importance, Pictures};
use crate::tui::app::App;
use crate::tui::content::Content;
use crate::tui::layout::Place;
use crate::tui::text::{cut, printable};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Paragraph, Wrap};

/// A part of the screen.
pub(super) trait Pane {
    /// Where it stands; of several that have something to show there, the first of the list does.
    fn place(&self) -> Place;
    /// Whether it has something to show.
    fn shows(&self, _app: &App) -> bool {
        true
    }
    /// The lines it would like to have, in a place that grows with them.
    fn lines(&self, _app: &App, _width: u16) -> usize {
        0
    }
    /// Draws it.
    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>);
}

/// What panes draw pictures with.
pub(super) struct Canvas<'a> {
    pub pictures: &'a mut Pictures,
    /// Whether each picture has its own pane.
    pub wide: bool,
}

/// Frames a pane; the answer is its inside.
pub(super) fn framed<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    focused: bool,
    title: impl Into<Line<'a>>,
    foot: impl Into<Line<'a>>,
) -> Rect {
    let block = Block::bordered()
        .border_type(if app.showing().theme.plain { BorderType::Plain } else { BorderType::Rounded })
        .border_style(app.showing().theme.border(focused))
        .title(title.into())
        .title_bottom(foot.into());
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

/// Draws what a slot shows; without it, why there is nothing. On a line that is too thin for all, pictures that matter
/// more are sent first.
pub(super) fn put(
    frame: &mut Frame<'_>,
    slot: &'static str,
    content: Option<&Content>,
    importance: Importance,
    area: Rect,
    app: &mut App,
    canvas: &mut Canvas<'_>,
) {
    let Some(content) = content else {
        let text = printable(app.snapshot().course.failure.as_deref().unwrap_or("…"));
        let wrapped = Paragraph::new(text).style(app.showing().theme.dim()).wrap(Wrap { trim: true });
        return frame.render_widget(wrapped, area);
    };
    let picture = app.zoomed(slot, content, canvas.pictures.pixels(area.as_size()));
    canvas.pictures.draw(slot, &picture, area, importance, frame.buffer_mut());
}

/// A name and the size of what is shown.
pub(super) fn caption(name: &str, size: &str, area: Rect) -> String {
    let room = (area.width as usize).saturating_sub(size.chars().count() + 6);
    format!(" {} {size} ", cut(name, room)).replace("  ", " ")
}

/// The pixel under the mouse, if that is on this slot.
pub(super) fn pointed(slot: &str, app: &App) -> Option<String> {
    Some(format!(" {}{}", app.showing().zoom.about(), app.pixel(slot)?))
}
