//! A picture's place on the screen: what is wanted there, what is on its way, what the terminal shows.

use super::blocks::Grid;
use crate::imaging::Picture;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;
use std::sync::Arc;
use std::time::Instant;

/// How much a picture matters where not all can be sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// What the person watches.
    Main,
    /// What stands beside it.
    Side,
}

/// A named place and its picture.
pub(super) struct Slot {
    pub importance: Importance,
    pub picture: Picture,
    /// The cells it fills.
    pub area: Rect,
    /// Counts its places, so that cells it leaves are drawn again.
    pub place: u8,
    pub drawn: bool,
    /// Nothing lies over it.
    pub visible: bool,
    pub shown: Option<Shown>,
    pub stage: Stage,
    /// What is on its way is for another place, or its cells have been covered.
    pub stale: bool,
    pub last: Option<Instant>,
    pub changed: Instant,
}

/// What the terminal shows of a slot.
pub(super) struct Shown {
    pub picture: Picture,
    pub area: Size,
    /// With nothing left out.
    pub full: bool,
    pub grid: Option<Grid>,
    pub id: u32,
    pub placed: Option<Rect>,
}

/// How far the newest picture is on its way.
pub(super) enum Stage {
    Idle,
    Encoding(Pending),
    Sending(Pending),
}

/// What will be shown.
#[derive(Clone)]
pub(super) struct Pending {
    pub picture: Picture,
    pub area: Rect,
    pub full: bool,
    pub id: u32,
}

impl Shown {
    pub fn new(pending: Pending, grid: Option<Grid>) -> Self {
        let Pending { picture, area, full, id } = pending;
        Self { picture, area: area.as_size(), full, grid, id, placed: None }
    }

    pub fn is(&self, picture: &Picture, area: Size) -> bool {
        self.area == area && (Arc::ptr_eq(&self.picture.rgb, &picture.rgb) || self.picture == *picture)
    }
}

impl Slot {
    /// Whether something else is to be shown than is.
    pub fn wants(&self, settled: bool) -> bool {
        let up_to_date = |shown: &Shown| shown.is(&self.picture, self.area.as_size()) && (shown.full || !settled);
        !self.shown.as_ref().is_some_and(up_to_date)
    }
}

/// The foreground of the blank cells under a picture: unlike any other blank, so that they are drawn again when the
/// picture leaves them or another comes.
fn marked(place: u8) -> Color {
    Color::Indexed(16 + place)
}

pub(super) fn mark(area: Rect, place: u8, buffer: &mut Buffer) {
    for position in area.positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            cell.reset();
            cell.set_fg(marked(place));
        }
    }
}

pub(super) fn is_marked(area: Rect, place: u8, buffer: &Buffer) -> bool {
    area.positions()
        .all(|position| buffer.cell(position).is_none_or(|cell| cell.symbol() == " " && cell.fg == marked(place)))
}
