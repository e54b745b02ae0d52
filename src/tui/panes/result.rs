//! What comes of the run: a map, or a picture.

use super::pane::{Canvas, Pane, caption, framed, pointed, put};
use crate::engine::{Phase, Source};
use crate::picture::Importance;
use crate::techniques::Need;
use crate::tui::app::{App, RESULT};
use crate::tui::content::Content;
use crate::tui::layout::{Place, WIDE};
use crate::tui::map_display::MapView;
use crate::tui::text::{printable, short};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

pub(super) struct Result;

impl Pane for Result {
    fn place(&self) -> Place {
        Place::Result
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        if !canvas.wide && area.width < WIDE {
            return one_of_all(frame, area, app, canvas);
        }
        if app.run().reference().is_some() && app.showing().swipe.is_none() {
            return beside_reference(frame, area, app, canvas);
        }
        let content = app.result_content();
        let foot = match (&content, pointed(RESULT, app)) {
            (_, Some(pointed)) => Line::raw(pointed),
            (Some(content), None) if content.is_coloured_map() => scale(app),
            (content, None) => {
                let size = content.as_ref().map(Content::size_in_words).unwrap_or_default();
                Line::raw(caption(&app.showing().zoom.about(), &size, area))
            }
        };
        let inside = framed(frame, area, app, false, format!(" {} ", title(app)), foot);
        put(frame, RESULT, content.as_ref(), Importance::Main, inside, app, canvas);
    }
}

/// On a small screen: the result, or another of the pictures that there are.
fn one_of_all(frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
    let (name, content) = shared(app);
    let tab = Line::styled(" tab: another picture ", app.showing().theme.dim()).right_aligned();
    let foot = if content.as_ref().is_some_and(Content::is_coloured_map) { scale(app) } else { tab };
    let inside = framed(frame, area, app, false, format!(" {name} "), foot);
    put(frame, RESULT, content.as_ref(), Importance::Main, inside, app, canvas);
}

/// The result and that of the run it is compared with.
fn beside_reference(frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
    let Some(past) = app.run().reference().cloned() else { return };
    let [then, now] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    let content = Content::Part(past.result);
    let title = format!(" run {} · {} · step {} ", past.run, past.technique, past.step);
    let inside = framed(frame, then, app, false, title, caption("", &content.size_in_words(), then));
    put(frame, "reference", Some(&content), Importance::Main, inside, app, canvas);
    let content = app.result_content();
    let title = format!(" run {} · step {} ", app.snapshot().run, app.run().looked_at());
    let size = content.as_ref().map(Content::size_in_words).unwrap_or_default();
    let inside = framed(frame, now, app, false, title, caption("", &size, now));
    put(frame, RESULT, content.as_ref(), Importance::Main, inside, app, canvas);
}

fn title(app: &App) -> String {
    let snapshot = app.snapshot();
    let needs = app.technique().needs();
    let class = snapshot.about.map(|class| app.run().label(class));
    let class = class.or_else(|| snapshot.course.top.first().map(|p| p.label.clone())).map(|label| printable(&label));
    if snapshot.view.result.is_some() {
        let target = snapshot.about.map_or_else(|| "any other class".into(), |class| app.run().label(class));
        return match (needs.target, needs.class) {
            (Need::None, Need::Required) => class.unwrap_or_else(|| "result".into()),
            (Need::None, _) => "result".into(),
            _ => format!("→ {}", printable(&target)),
        };
    }
    let of_class = |what: &str| class.as_ref().map_or_else(|| what.to_owned(), |class| format!("{what} · {class}"));
    match app.showing().map.view {
        _ if snapshot.view.heat.is_none() => "result".into(),
        MapView::Overlay => of_class("heat map over photo"),
        MapView::Map => of_class("heat map"),
        MapView::Photo => "photo".into(),
    }
}

/// The picture a small screen shows, with its name.
fn shared(app: &App) -> (String, Option<Content>) {
    let snapshot = app.snapshot();
    let named = |what: &str, source: Option<&Source>| {
        format!("{what} · {}", source.map(|s| printable(&s.name())).unwrap_or_default())
    };
    let mut all = vec![(title(app), app.result_content())];
    if let Some(photo) = app.photo_content() {
        all.push((named("input", app.choice().picture()), Some(photo)));
    }
    if let Some(style) = snapshot.style.clone() {
        all.push((named("style", app.choice().style()), Some(Content::Alone(style))));
    }
    if let Some(perturbation) = snapshot.view.perturbation.clone() {
        all.push(("perturbation".into(), Some(Content::Part(perturbation))));
    }
    if let Some(past) = app.run().reference() {
        all.push((format!("run {} · step {}", past.run, past.step), Some(Content::Part(past.result.clone()))));
    }
    let at = app.showing().picture % all.len();
    all.swap_remove(at)
}

/// The colour map with the values at its ends.
fn scale(app: &App) -> Line<'static> {
    let (Some(heat), view) = (&app.snapshot().view.heat, app.showing()) else { return Line::default() };
    if heat.is_flat() && app.phase() == Phase::Finished {
        let text = " the same everywhere: try another layer, class or technique ";
        return Line::styled(text, view.theme.bad());
    }
    let (low, high) = view.map.colors.range(heat);
    let map = view.map.colors.color_map(heat);
    let mut spans = vec![Span::raw(format!(" {} {} ", map.id, short(f64::from(low))))];
    let steps = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    for (i, block) in steps.into_iter().enumerate() {
        let sign = if view.theme.plain { '#' } else { block };
        spans.push(Span::styled(sign.to_string(), view.theme.rgb(map.color(i as f32 / 7.0))));
    }
    spans.push(Span::raw(format!(" {} · {}×{} ", short(f64::from(high)), heat.width, heat.height)));
    Line::from(spans)
}
