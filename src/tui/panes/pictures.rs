//! The photo, the style picture and what comes of them.

use super::{Canvas, Pane, framed};
use crate::imaging::Picture;
use crate::picture::Importance;
use crate::techniques::Need;
use crate::tui::app::{App, MapView};
use crate::tui::layout::Place;
use crate::tui::text::{cut, short};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) struct Input;
pub(super) struct Style;
pub(super) struct Result;

impl Pane for Input {
    fn place(&self) -> Place {
        Place::Input
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        let picture = app.snapshot.view.input.clone();
        let foot = pointed("input", app)
            .unwrap_or_else(|| caption(&App::name_of(app.spec.picture.as_ref()), picture.as_ref(), area));
        let inside = framed(frame, area, app, false, " input ", foot);
        put(frame, "input", picture, inside, app, canvas);
    }
}

impl Pane for Style {
    fn place(&self) -> Place {
        Place::Style
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        let picture = app.snapshot.style.clone();
        let foot = caption(&App::name_of(app.spec.styles.first()), picture.as_ref(), area);
        let inside = framed(frame, area, app, false, " style ", foot);
        put(frame, "style", picture, inside, app, canvas);
    }
}

impl Pane for Result {
    fn place(&self) -> Place {
        Place::Result
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, canvas: &mut Canvas<'_>) {
        if !app.snapshot.view.panels.is_empty() {
            return super::grid::render(frame, area, app, canvas);
        }
        if !canvas.wide && area.width < 110 {
            let (name, picture) = shared(app);
            let of_map = app.snapshot.view.heat.is_some() && app.view != MapView::Photo && name.starts_with("heat");
            let tab = Line::styled(" tab: another picture ", app.theme.dim()).right_aligned();
            let foot = if of_map { scale(app) } else { tab };
            let inside = framed(frame, area, app, false, format!(" {name} "), foot);
            put(frame, "result", picture, inside, app, canvas);
            return;
        }
        let title = result_title(app);
        if let Some(past) = app.rival().cloned() {
            let [then, area] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
            let title = format!(" run {} · {} · step {} ", past.run, past.technique, past.step);
            let inside = framed(frame, then, app, false, title, caption("", Some(&past.result), then));
            put(frame, "rival", Some(past.result), inside, app, canvas);
            let picture = app.result_picture();
            let title = format!(" run {} · step {} ", app.snapshot.run, app.looked_at());
            let inside = framed(frame, area, app, false, title, caption("", picture.as_ref(), area));
            put(frame, "result", picture, inside, app, canvas);
            return;
        }
        let picture = app.result_picture().map(|picture| app.swiped(picture));
        let foot = match (&app.snapshot.view.heat, pointed("result", app)) {
            (_, Some(pointed)) => Line::raw(pointed),
            (Some(_), None) if app.view != MapView::Photo => scale(app),
            _ => Line::raw(caption(&app.lens.about(), picture.as_ref(), area)),
        };
        let inside = framed(frame, area, app, false, format!(" {title} "), foot);
        put(frame, "result", picture, inside, app, canvas);
    }
}

fn result_title(app: &App) -> String {
    let of_class = |fallback: &str| {
        let class = app.snapshot.course.top.first();
        match (&app.spec.class, class) {
            (Some(class), _) => app.named(class),
            (None, Some(top)) => top.label.clone(),
            _ => fallback.to_owned(),
        }
    };
    if app.snapshot.view.result.is_some() {
        return match app.current().needs() {
            n if n.target != Need::None => {
                let usual = if n.target == Need::Required { "goldfish" } else { "any other class" };
                format!("→ {}", app.spec.target.as_ref().map_or(usual.into(), |target| app.named(target)))
            }
            n if n.class == Need::Required => of_class("result"),
            _ => "result".into(),
        };
    }
    match app.view {
        _ if app.snapshot.view.heat.is_none() => "result".into(),
        MapView::Overlay => format!("heat map over photo · {}", of_class("")),
        MapView::Map => format!("heat map · {}", of_class("")),
        MapView::Photo => "photo".into(),
    }
}

/// The picture a small screen shows, with its name.
fn shared(app: &mut App) -> (String, Option<Picture>) {
    let title = result_title(app);
    let mut all = vec![(title, app.result_picture())];
    if let Some(input) = app.snapshot.view.input.clone() {
        all.push((format!("input · {}", App::name_of(app.spec.picture.as_ref())), Some(input)));
    }
    if let Some(style) = app.snapshot.style.clone() {
        all.push((format!("style · {}", App::name_of(app.spec.styles.first())), Some(style)));
    }
    if let Some(perturbation) = app.snapshot.view.perturbation.clone() {
        all.push(("perturbation".into(), Some(perturbation)));
    }
    if let Some(past) = app.rival() {
        all.push((format!("run {} · step {}", past.run, past.step), Some(past.result.clone())));
    }
    all.swap_remove(app.shown_picture % all.len())
}

fn caption(name: &str, picture: Option<&Picture>, area: Rect) -> String {
    let size = picture.map(|p| format!("{}×{}", p.width, p.height)).unwrap_or_default();
    let room = (area.width as usize).saturating_sub(size.len() + 6);
    format!(" {} {size} ", cut(name, room)).replace("  ", " ")
}

/// The colour map with the values at its ends.
fn scale(app: &App) -> Line<'static> {
    let Some(heat) = &app.snapshot.view.heat else { return Line::default() };
    let (low, high) = app.display.range(heat);
    let map = app.display.color_map(heat);
    let mut spans = vec![Span::raw(format!(" {} {} ", map.id, short(f64::from(low))))];
    let steps = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    for (i, block) in steps.into_iter().enumerate() {
        let sign = if app.theme.plain { '#' } else { block };
        spans.push(Span::styled(sign.to_string(), app.theme.rgb(map.color(i as f32 / 7.0))));
    }
    spans.push(Span::raw(format!(" {} · {}×{} ", short(f64::from(high)), heat.width, heat.height)));
    Line::from(spans)
}

/// The pixel under the mouse, if that is on this slot: its place, its colour, and the map's value there.
fn pointed(slot: &str, app: &App) -> Option<String> {
    let (x, y, [r, g, b]) = app.lens.pixel(slot)?;
    let value = app.snapshot.view.heat.as_ref().zip(app.snapshot.view.input.as_ref()).and_then(|(heat, photo)| {
        let cell = |at: u32, cells: u32, pixels: u32| (at * cells / pixels.max(1)).min(cells - 1) as usize;
        let (column, row) = (cell(x, heat.width, photo.width), cell(y, heat.height, photo.height));
        heat.values.get(row * heat.width as usize + column)
    });
    let value = value.map(|v| format!("· map {} ", short(f64::from(*v)))).unwrap_or_default();
    Some(format!(" {}{x},{y} rgb {r} {g} {b} {value}", app.lens.about()))
}

/// How much a slot's picture matters, and whether the lens is held over it.
fn role(slot: &str) -> (Importance, bool) {
    match slot {
        "input" | "perturbation" => (Importance::Side, true),
        "style" => (Importance::Side, false),
        _ => (Importance::Main, true),
    }
}

pub(super) fn put(
    frame: &mut Frame<'_>,
    slot: &'static str,
    picture: Option<Picture>,
    area: Rect,
    app: &mut App,
    canvas: &mut Canvas<'_>,
) {
    match picture {
        Some(picture) => {
            let (importance, lens) = role(slot);
            let picture = if lens { app.lens.look(slot, picture) } else { picture };
            canvas.pictures.draw(slot, &picture, area, importance, frame.buffer_mut());
        }
        None => {
            let text = app.snapshot.course.failure.clone().unwrap_or_else(|| "…".into());
            let text = crate::tui::text::printable(&text);
            let wrapped = Paragraph::new(text).style(app.theme.dim()).wrap(ratatui::widgets::Wrap { trim: true });
            frame.render_widget(wrapped, area);
        }
    }
}
