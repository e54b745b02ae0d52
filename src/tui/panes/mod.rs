//! Panes: one file and one line in [`PANES`] each.

mod curves;
mod findings;
mod grid;
mod header;
mod parameters;
mod perturbation;
mod pictures;
mod status;
mod techniques;
mod top;

use super::app::App;
use super::layout::{Place, SMALLEST, Wants, areas};
use crate::picture::Pictures;
use crate::techniques::{Group, Need, TECHNIQUES};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Paragraph, Wrap};

/// A part of the screen.
trait Pane {
    /// Where it stands.
    fn place(&self) -> Place;
    /// Draws it.
    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>);
}

/// Every pane.
const PANES: &[&dyn Pane] = &[
    &header::Header,
    &pictures::Input,
    &pictures::Style,
    &perturbation::Perturbation,
    &pictures::Result,
    &curves::Curves,
    &top::Top,
    &techniques::Techniques,
    &parameters::Parameters,
    &status::Status,
];

/// What panes draw pictures with.
struct Canvas<'a> {
    pictures: &'a mut Pictures,
    /// Whether each picture has its own pane.
    wide: bool,
}

pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, pictures: &mut Pictures) {
    let screen = frame.area();
    let needs = app.current().needs();
    let wants = Wants {
        input: needs.picture != Need::None,
        second: second(app),
        curves: !app.params().is_empty() || !app.snapshot.course.series.is_empty(),
        techniques: TECHNIQUES.len(),
        parameters: side_lines(app),
    };
    let Some(areas) = areas(screen, wants) else {
        let (w, h) = SMALLEST;
        let text = format!(
            "gradlens needs {w}×{h} characters; this terminal has {}×{}. Make it larger, or press q.",
            screen.width, screen.height
        );
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), screen);
        return;
    };
    let mut canvas = Canvas { pictures, wide: areas.is_wide() };
    for pane in PANES {
        if let Some(area) = areas.get(pane.place()) {
            pane.render(frame, area, app, &mut canvas);
        }
    }
    let theme = app.theme;
    if let Some(dialog) = &mut app.dialog {
        dialog.render(frame, screen, theme);
    }
}

/// The picture that stands under the photo.
fn second(app: &App) -> Option<Place> {
    match app.current().needs().style {
        Need::None => (app.current().group() == Group::Adversarial).then_some(Place::Perturbation),
        Need::Optional | Need::Required => Some(Place::Style),
    }
}

/// Lines of what stands where the parameters stand.
fn side_lines(app: &App) -> usize {
    let snapshot = &app.snapshot;
    match (snapshot.view.panels.len(), snapshot.view.scores.len()) {
        (0, 0) => app.params().len(),
        (0, scores) => scores,
        (panels, _) => panels + 1,
    }
}

/// Frames a pane; the answer is its inside.
fn framed<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    focused: bool,
    title: impl Into<Line<'a>>,
    foot: impl Into<Line<'a>>,
) -> Rect {
    let block = Block::bordered()
        .border_type(if app.theme.plain { BorderType::Plain } else { BorderType::Rounded })
        .border_style(app.theme.border(focused))
        .title(title.into())
        .title_bottom(foot.into());
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}
