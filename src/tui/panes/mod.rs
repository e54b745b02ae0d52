//! Panes: one file and one line in [`PANES`] each.

mod comparison;
mod curves;
mod header;
mod input;
mod pane;
mod parameters;
mod perturbation;
mod result;
mod scores;
mod similarity;
mod status;
mod style;
mod techniques;
mod top;

use super::app::App;
use super::layout::{Place, SMALLEST, Wants, areas};
use crate::picture::Pictures;
use crate::techniques::{Group, Need, TECHNIQUES};
use pane::{Canvas, Pane};
use ratatui::Frame;
use ratatui::widgets::{Paragraph, Wrap};

/// Every pane.
const PANES: &[&dyn Pane] = &[
    &header::Header,
    &input::Input,
    &style::Style,
    &perturbation::Perturbation,
    &result::Result,
    &curves::Curves,
    &top::Top,
    &techniques::Techniques,
    &parameters::Parameters,
    &status::Status,
];

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &mut App, pictures: &mut Pictures) {
    let screen = frame.area();
    let needs = app.technique().needs();
    let wants = Wants {
        input: needs.picture != Need::None,
        second: second(app),
        curves: !app.params().is_empty() || !app.snapshot().course.series.is_empty(),
        techniques: TECHNIQUES.len(),
        parameters: side_lines(app),
        status: status::lines(app, screen.width),
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
    let theme = app.view().theme;
    if let Some(dialog) = app.dialog() {
        dialog.render(frame, screen, theme);
    }
}

/// The picture that stands under the photo.
fn second(app: &App) -> Option<Place> {
    match app.technique().needs().style {
        Need::None => (app.technique().group() == Group::Adversarial).then_some(Place::Perturbation),
        Need::Optional | Need::Required => Some(Place::Style),
    }
}

/// Lines of what stands where the parameters stand.
fn side_lines(app: &App) -> usize {
    let snapshot = app.snapshot();
    match (snapshot.view.panels.len(), snapshot.view.scores.len()) {
        (0, 0) => app.params().len(),
        (0, scores) => scores,
        (panels, _) => panels + 1,
    }
}
