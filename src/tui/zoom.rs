//! Zoom and pan, and the pixel under the mouse.
//!
//! All slots are zoomed together: the middle of what is seen is a place in the photo, and a slot that shows only the part
//! of the photo that the network sees looks at the same place.

use crate::imaging::Area;
use crossterm::event::{MouseButton, MouseEventKind};
use std::collections::HashMap;

/// Magnifications.
const FACTORS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// What part of the pictures is seen.
pub(super) struct Zoom {
    /// An index of [`FACTORS`].
    level: usize,
    /// The middle of what is seen, as shares of the photo's width and height.
    centre: (f64, f64),
    /// The pixel under the mouse: the slot, and its place in the part that the slot shows.
    pointed: Option<(&'static str, f64, f64)>,
    /// Where a drag was last, as shares of the photo.
    dragged: Option<(f64, f64)>,
    viewports: HashMap<&'static str, Viewport>,
}

/// What a slot shows.
#[derive(Clone, Copy)]
struct Viewport {
    /// The part `[x, y, width, height]` of its picture, in pixels.
    part: [u32; 4],
    /// The picture's width and height.
    size: (u32, u32),
    /// Where the picture lies in the photo, as shares of it.
    frame: Area,
}

/// What the mouse points at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pointed {
    /// The pixel of the slot's whole picture.
    pub pixel: (u32, u32),
    /// Its place in what the slot shows, as shares.
    pub shown: (f64, f64),
    /// Its place in the photo, as shares.
    pub photo: (f64, f64),
}

impl Default for Zoom {
    fn default() -> Self {
        Self { level: 0, centre: (0.5, 0.5), pointed: None, dragged: None, viewports: HashMap::new() }
    }
}

impl Viewport {
    /// The place in the photo of a place in the part that is shown, both as shares.
    fn in_photo(&self, x: f64, y: f64) -> (f64, f64) {
        let [left, top, width, height] = self.part.map(f64::from);
        let (across, down) = (f64::from(self.size.0), f64::from(self.size.1));
        let frame = self.frame;
        (frame.x + (left + x * width) / across * frame.width, frame.y + (top + y * height) / down * frame.height)
    }
}

impl Zoom {
    /// The magnification.
    pub fn factor(&self) -> u32 {
        FACTORS[self.level]
    }

    /// How closely is looked, in words; nothing at all for whole pictures.
    pub fn about(&self) -> String {
        if self.level == 0 { String::new() } else { format!("{}× ", self.factor()) }
    }

    /// The part `[x, y, width, height]` of a slot's picture that is seen; the picture lies at `frame` of the photo, as
    /// shares of it.
    pub fn view(&mut self, slot: &'static str, size: (u32, u32), frame: Area) -> [u32; 4] {
        let side = |whole: u32| whole.div_ceil(self.factor()).max(1);
        let (width, height) = (side(size.0), side(size.1));
        let start = |centre: f64, whole: u32, part: u32| {
            let first = centre * f64::from(whole) - f64::from(part) / 2.0;
            (first.round().max(0.0) as u32).min(whole - part)
        };
        let (x, y) = ((self.centre.0 - frame.x) / frame.width, (self.centre.1 - frame.y) / frame.height);
        let part = [start(x, size.0, width), start(y, size.1, height), width, height];
        self.viewports.insert(slot, Viewport { part, size, frame });
        part
    }

    /// What the mouse points at, if it is on this slot.
    pub fn pointed(&self, slot: &str) -> Option<Pointed> {
        let (_, x, y) = self.pointed.filter(|(pointed, ..)| *pointed == slot)?;
        let viewport = self.viewports.get(slot)?;
        let [left, top, width, height] = viewport.part;
        let pixel = |start: u32, at: f64, len: u32| start + ((at * f64::from(len)) as u32).min(len - 1);
        let (pixel, photo) = ((pixel(left, x, width), pixel(top, y, height)), viewport.in_photo(x, y));
        Some(Pointed { pixel, shown: (x, y), photo })
    }

    /// The share of a slot's whole picture that lies left of a place in what is shown.
    pub fn share_of_picture(&self, slot: &str, x: f64) -> Option<f64> {
        let Viewport { part: [left, _, width, _], size, .. } = self.viewports.get(slot)?;
        Some((f64::from(*left) + x * f64::from(*width)) / f64::from(size.0))
    }

    /// Closer, or further away.
    pub fn step(&mut self, closer: bool) {
        self.step_towards(closer, None);
    }

    fn step_towards(&mut self, closer: bool, place: Option<(f64, f64)>) {
        let level = if closer { (self.level + 1).min(FACTORS.len() - 1) } else { self.level.saturating_sub(1) };
        let before = f64::from(self.factor());
        if let Some((x, y)) = place.filter(|_| level != self.level) {
            // What is under the mouse stays there.
            let keep = before / f64::from(FACTORS[level]);
            self.centre.0 = x + (self.centre.0 - x) * keep;
            self.centre.1 = y + (self.centre.1 - y) * keep;
        }
        self.level = level;
        self.pan(0.0, 0.0);
    }

    /// Moves what is seen by eighths of it.
    pub fn pan_eighths(&mut self, dx: i8, dy: i8) {
        let eighth = 0.125 / f64::from(self.factor());
        self.pan(f64::from(dx) * eighth, f64::from(dy) * eighth);
    }

    /// Moves what is seen by shares of the photo.
    fn pan(&mut self, dx: f64, dy: f64) {
        let half = 0.5 / f64::from(self.factor());
        self.centre.0 = (self.centre.0 + dx).clamp(half, 1.0 - half);
        self.centre.1 = (self.centre.1 + dy).clamp(half, 1.0 - half);
    }

    /// Takes what the mouse did; `hit` is the place in what a slot shows under it, as shares.
    pub fn on_mouse(&mut self, kind: MouseEventKind, hit: Option<(&'static str, f64, f64)>) {
        self.pointed = hit;
        let place = hit.and_then(|(slot, x, y)| Some(self.viewports.get(slot)?.in_photo(x, y)));
        match kind {
            MouseEventKind::ScrollUp => self.step_towards(true, place),
            MouseEventKind::ScrollDown => self.step_towards(false, place),
            MouseEventKind::Down(MouseButton::Left) => self.dragged = place,
            MouseEventKind::Drag(MouseButton::Left) => {
                if let Some(((from_x, from_y), (x, y))) = self.dragged.zip(place) {
                    // What was taken hold of stays under the mouse.
                    self.pan(from_x - x, from_y - y);
                }
            }
            MouseEventKind::Up(_) => self.dragged = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Area = Area { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };

    #[test]
    fn zoom_stays_on_the_picture_and_what_is_under_the_mouse_stays() {
        let mut zoom = Zoom::default();
        assert_eq!(zoom.view("result", (64, 48), WHOLE), [0, 0, 64, 48]);
        let hit = Some(("result", 0.9, 0.1));
        zoom.on_mouse(MouseEventKind::ScrollUp, hit);
        zoom.view("result", (64, 48), WHOLE);
        zoom.on_mouse(MouseEventKind::ScrollUp, hit);
        let [x, y, w, h] = zoom.view("result", (64, 48), WHOLE);
        assert_eq!((w, h), (16, 12));
        assert!(x <= 57 && 57 < x + w && y <= 5 && 5 < y + h, "{x} {y}");
        zoom.pan(5.0, -5.0);
        assert_eq!(zoom.view("result", (64, 48), WHOLE), [48, 0, 16, 12]);
        zoom.on_mouse(MouseEventKind::Moved, Some(("result", 0.1, 0.2)));
        assert_eq!(zoom.pointed("result").map(|pointed| pointed.pixel), Some((49, 2)));
        assert_eq!(zoom.pointed("input"), None);
        (0..3).for_each(|_| zoom.step(false));
        assert_eq!(zoom.view("result", (64, 48), WHOLE), [0, 0, 64, 48]);
    }

    #[test]
    fn a_part_of_the_photo_is_seen_at_the_same_place() {
        let mut zoom = Zoom::default();
        // The middle half of the photo's width.
        let frame = Area { x: 0.25, y: 0.0, width: 0.5, height: 1.0 };
        zoom.view("perturbation", (100, 100), frame);
        zoom.on_mouse(MouseEventKind::ScrollUp, Some(("perturbation", 1.0, 0.5)));
        assert_eq!(zoom.view("perturbation", (100, 100), frame), [50, 25, 50, 50]);
        assert_eq!(zoom.pointed("perturbation").map(|pointed| pointed.photo), Some((0.75, 0.5)));
        // Its right edge is at three quarters of the photo.
        let [x, _, w, _] = zoom.view("input", (400, 200), WHOLE);
        assert!(x < 300 && 300 < x + w, "{x}");
    }

    #[test]
    fn a_drag_moves_the_picture_with_the_mouse() {
        let mut zoom = Zoom::default();
        zoom.step(true);
        let before = zoom.view("result", (100, 100), WHOLE);
        zoom.on_mouse(MouseEventKind::Down(MouseButton::Left), Some(("result", 0.5, 0.5)));
        zoom.on_mouse(MouseEventKind::Drag(MouseButton::Left), Some(("result", 0.3, 0.5)));
        let after = zoom.view("result", (100, 100), WHOLE);
        assert_eq!((before[0], after[0], after[1]), (25, 35, before[1]));
    }
}
