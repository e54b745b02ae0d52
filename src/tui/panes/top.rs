//! The likeliest classes of the present picture.

use super::pane::{Canvas, Pane, framed};
use crate::model::{Output, Scores};
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::{bar, cut, printable, short};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Classes that fit.
const MOST: usize = 5;
/// Columns of a number, with its unit and the gap before it.
const NUMBER: usize = 8;

pub(super) struct Top;

impl Pane for Top {
    fn place(&self) -> Place {
        Place::Top
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let output = app.run().model().and_then(|model| model.output.as_ref());
        let scores = output.map_or(Scores::Softmax, |output| output.scores);
        let inside = framed(frame, area, app, false, title(output), "");
        let theme = app.showing().theme;
        let width = inside.width as usize;
        let name_width = (width / 2).clamp(8, 24);
        let bar_width = width.saturating_sub(name_width + NUMBER + 1);
        let top = &app.snapshot().course.top;
        let largest = top.iter().map(|p| p.probability.abs()).fold(f32::MIN_POSITIVE, f32::max);
        let lines = top.iter().map(|p| {
            let style = if app.snapshot().about == Some(p.index) { theme.accent() } else { theme.strong() };
            let (share, number) = match scores {
                Scores::Plain => (p.probability.abs() / largest, short(f64::from(p.probability))),
                _ => (p.probability, format!("{:.1} %", p.probability * 100.0)),
            };
            Line::from(vec![
                Span::styled(format!("{:<name_width$} ", cut(&printable(&p.label), name_width)), style),
                Span::styled(bar(f64::from(share), bar_width, theme.plain), theme.good()),
                Span::raw(format!("{number:>NUMBER$}")),
            ])
        });
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inside);
    }
}

/// How many classes there are to see, and what their numbers are. Where the model has none, another one looks on.
fn title(output: Option<&Output>) -> String {
    let count = output.map_or(MOST, |output| output.count().min(MOST));
    match output.map(|output| output.scores) {
        None | Some(Scores::Softmax) => format!(" top {count} "),
        Some(Scores::Sigmoid) => format!(" top {count}, each by itself "),
        Some(Scores::Binary) => " yes or no ".into(),
        Some(Scores::Plain) => format!(" top {count} scores "),
    }
}
