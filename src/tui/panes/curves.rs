//! The curves of a run, with what happened along them.

use super::pane::{Canvas, Pane, framed};
use crate::engine::{Points, Series};
use crate::techniques::{Scale, figure};
use crate::tui::app::App;
use crate::tui::layout::Place;
use crate::tui::text::{cut, printable, short};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph};

/// Values that differ by more than this factor are drawn on a logarithmic axis.
const LOG_RATIO: f64 = 30.0;
/// Columns of the legend: on small screens the curves need them more.
const LEGEND: [u16; 2] = [16, 22];

pub(super) struct Curves;

impl Pane for Curves {
    fn place(&self) -> Place {
        Place::Curves
    }

    fn shows(&self, app: &App) -> bool {
        !app.params().is_empty() || !app.snapshot().course.series.is_empty()
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect, app: &mut App, _canvas: &mut Canvas<'_>) {
        let theme = app.showing().theme;
        let snapshot = app.snapshot().clone();
        let drawn = together(&snapshot.course.series);
        let log = wants_log(&drawn);
        let marks: Vec<Span<'_>> = snapshot
            .course
            .marks
            .iter()
            .rev()
            .take(3)
            .map(|m| Span::styled(printable(&format!(" ┆ {}: {} ", m.step, m.kind)), theme.changed()))
            .collect();
        let title = format!(" curves{}{} ", unit(&drawn), if log { " (log)" } else { "" });
        let inside = framed(frame, area, app, false, title, Line::from(marks).right_aligned());
        let columns = LEGEND[usize::from(inside.width > 70)];
        let [plot, legend] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(columns)]).spacing(1).areas(inside);
        legend_lines(frame, legend, app, &snapshot.course.series, &drawn);
        let scaled = |v: f64| if log { v.log10() } else { v };
        let points: Vec<Vec<(f64, f64)>> = drawn
            .iter()
            .map(|s| {
                let points = thinned(&s.points, plot.width).map(|(step, v)| (step as f64, scaled(v)));
                // A loss that is exactly zero has no place on a logarithmic axis.
                points.filter(|p| p.1.is_finite()).collect()
            })
            .collect();
        let probabilities = drawn.iter().any(|s| is_probability(s));
        let range = if probabilities { Some((0.0, 1.0)) } else { bounds(points.iter().flatten().map(|p| p.1)) };
        let Some((low, high)) = range else {
            frame.render_widget(Paragraph::new("the curves begin with the first step").style(theme.dim()), plot);
            return;
        };
        let last = points.iter().flatten().map(|p| p.0).fold(10.0, f64::max);
        let looked_at = snapshot.shown.filter(|_| app.is_current());
        let marks: Vec<Vec<(f64, f64)>> = snapshot
            .course
            .marks
            .iter()
            .map(|m| m.step)
            .chain(looked_at)
            .map(|step| (0..=20).map(|i| (step as f64, low + (high - low) * f64::from(i) / 20.0)).collect())
            .collect();
        let marker = if theme.plain { Marker::Dot } else { Marker::Braille };
        let before: Vec<Vec<(f64, f64)>> = drawn
            .iter()
            .filter_map(|series| app.run().reference()?.series.iter().find(|s| s.name == series.name))
            .map(|s| {
                let points = thinned(&s.points, plot.width).map(|(step, v)| (step as f64, scaled(v)));
                points.filter(|p| p.1.is_finite()).collect()
            })
            .collect();
        let mut sets: Vec<Dataset<'_>> =
            marks.iter().map(|data| Dataset::default().marker(marker).style(theme.changed()).data(data)).collect();
        for points in &before {
            let kind = if theme.plain { GraphType::Scatter } else { GraphType::Line };
            sets.push(Dataset::default().marker(marker).graph_type(kind).style(theme.dim()).data(points));
        }
        for (points, series) in points.iter().zip(&drawn) {
            let place = snapshot.course.series.iter().position(|s| s.name == series.name).unwrap_or(0);
            let kind = if theme.plain { GraphType::Scatter } else { GraphType::Line };
            sets.push(Dataset::default().marker(marker).graph_type(kind).style(theme.series(place)).data(points));
        }
        let value = |v: f64| short(if log { 10f64.powf(v) } else { v });
        let x = Axis::default().bounds([0.0, last]).style(theme.dim()).labels([
            "0".to_owned(),
            format!("{:.0}", last / 2.0),
            format!("{last:.0}"),
        ]);
        let y = Axis::default().bounds([low, high]).style(theme.dim()).labels([
            value(low),
            value(f64::midpoint(low, high)),
            value(high),
        ]);
        frame.render_widget(Chart::new(sets).x_axis(x).y_axis(y).legend_position(None), plot);
    }
}

fn is_probability(series: &Series) -> bool {
    figure(&series.name).scale == Scale::Share
}

/// The series that share an axis: probabilities stand alone, everything else stands together.
fn together(series: &[Series]) -> Vec<&Series> {
    let probabilities: Vec<&Series> = series.iter().filter(|s| is_probability(s)).collect();
    if probabilities.is_empty() { series.iter().collect() } else { probabilities }
}

/// What all of them are measured in, to stand behind a title; nothing where they are not of one kind.
fn unit(series: &[&Series]) -> String {
    let units: Vec<&str> = series.iter().map(|s| figure(&s.name).unit).collect();
    match units.split_first() {
        Some((first, others)) if !first.is_empty() && others.iter().all(|unit| unit == first) => {
            format!(" · {first}")
        }
        _ => String::new(),
    }
}

fn wants_log(series: &[&Series]) -> bool {
    let values = || series.iter().flat_map(|s| s.points.iter()).map(|p| p.1).filter(|v| *v != 0.0);
    let magnitudes = series.iter().all(|s| figure(&s.name).scale == Scale::Log);
    let (low, high) = values().fold((f64::INFINITY, 0.0), |(low, high), v| (v.min(low), v.max(high)));
    magnitudes && low > 0.0 && high > low * LOG_RATIO
}

/// At most four points a column: more cannot be told apart.
fn thinned(points: &Points, width: u16) -> impl Iterator<Item = (usize, f64)> + '_ {
    let every = (points.len() / (usize::from(width).max(1) * 4)).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(move |(i, _)| i % every == 0 || *i == last).map(|(_, p)| *p)
}

/// The range of the finite values with a little room, so that a flat line is not on the frame.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return None;
    }
    let room = if high > low { (high - low) * 0.03 } else { low.abs().max(1e-3) * 0.1 };
    Some((low - room, high + room))
}

/// Name and newest value of every series; those on another axis in brackets.
fn legend_lines(frame: &mut Frame<'_>, area: Rect, app: &App, all: &[Series], drawn: &[&Series]) {
    let width = area.width as usize;
    let lines: Vec<Line<'_>> = all
        .iter()
        .enumerate()
        .map(|(i, series)| {
            let value = series.points.last().map(|p| short(p.1)).unwrap_or_default();
            let is_drawn = drawn.iter().any(|s| s.name == series.name);
            let sign = if !is_drawn {
                ' '
            } else if app.showing().theme.plain {
                '*'
            } else {
                '━'
            };
            let name = cut(&series.name, width.saturating_sub(value.len() + 4));
            let gap = width.saturating_sub(name.chars().count() + value.len() + 3);
            let style = if is_drawn { app.showing().theme.series(i) } else { app.showing().theme.dim() };
            Line::from(vec![
                Span::styled(format!("{sign} {name}"), style),
                Span::raw(format!("{}{value}", " ".repeat(gap))),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: &[f64]) -> Series {
        Series { name: name.into(), points: values.iter().copied().enumerate().collect() }
    }

    #[test]
    fn the_axis_is_logarithmic_when_it_helps() {
        let (loss, tv) = (series("loss", &[30.0, 0.7]), series("tv", &[0.003, 0.02]));
        assert!(wants_log(&[&loss, &tv]));
        assert!(!wants_log(&[&series("score", &[-3.0, 20.0])]));
        assert!(!wants_log(&[&series("p_target", &[0.0001, 0.99])]));
    }

    #[test]
    fn long_runs_are_thinned_but_keep_their_end() {
        let points: Points = (0..10_000).map(|i| (i, i as f64)).collect();
        let thin: Vec<_> = thinned(&points, 50).collect();
        assert!(thin.len() <= 250 && thin.last() == points.last());
    }
}
