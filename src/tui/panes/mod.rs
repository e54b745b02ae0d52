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
use pane::{Canvas, Pane};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};

/// Every pane. Where several stand in one place, what comes only with some runs is before what is always there.
const PANES: &[&dyn Pane] = &[
    &header::Header,
    &input::Input,
    &style::Style,
    &perturbation::Perturbation,
    &comparison::Comparison,
    &result::Result,
    &curves::Curves,
    &top::Top,
    &techniques::Techniques,
    &similarity::Similarity,
    &scores::Scores,
    &parameters::Parameters,
    &status::Status,
];

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &mut App, pictures: &mut Pictures) {
    let screen = frame.area();
    let wants = Wants {
        input: at(Place::Input, app).is_some(),
        second: at(Place::Second, app).is_some(),
        curves: at(Place::Curves, app).is_some(),
        techniques: lines(Place::Techniques, app, screen),
        parameters: lines(Place::Parameters, app, screen),
        status: lines(Place::Status, app, screen),
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
    let chosen: Vec<_> = areas.iter().filter_map(|(place, area)| Some((at(place, app)?, area))).collect();
    for (pane, area) in chosen {
        pane.render(frame, area, app, &mut canvas);
    }
    let theme = app.showing().theme;
    if let Some(dialog) = app.dialog() {
        dialog.render(frame, screen, theme);
    }
}

/// What stands in a place: the first pane of the list that has something to show there.
fn at(place: Place, app: &App) -> Option<&'static dyn Pane> {
    PANES.iter().copied().find(|pane| pane.place() == place && pane.shows(app))
}

/// The lines that it would like to have.
fn lines(place: Place, app: &App, screen: Rect) -> u16 {
    at(place, app).map_or(0, |pane| pane.lines(app, screen.width)) as u16
}
