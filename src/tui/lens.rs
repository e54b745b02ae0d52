//! Looking closely: zoom and pan, the pixel under the mouse, and two pictures in one with an edge to move.

use super::action::Action;
use super::app::App;
use crate::imaging::{Picture, crop, swipe};
use crossterm::event::{MouseButton, MouseEventKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Magnifications.
const ZOOMS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// What part of the pictures is seen, and what was made of them for that.
pub(super) struct Lens {
    /// An index of [`ZOOMS`].
    zoom: usize,
    /// The middle of what is seen, as shares of width and height.
    centre: (f64, f64),
    /// The share of the result that the other picture covers.
    pub swipe: Option<f64>,
    /// The pixel under the mouse: the slot, and its place in what the slot shows.
    pointed: Option<(&'static str, u32, u32)>,
    /// Where a drag was last.
    dragged: Option<(u32, u32)>,
    seen: HashMap<&'static str, Seen>,
    blended: Option<(Picture, Picture, f64, Picture)>,
}

struct Seen {
    whole: Picture,
    part: [u32; 4],
    picture: Picture,
}

impl Default for Lens {
    fn default() -> Self {
        Self {
            zoom: 0,
            centre: (0.5, 0.5),
            swipe: None,
            pointed: None,
            dragged: None,
            seen: HashMap::new(),
            blended: None,
        }
    }
}

impl Lens {
    /// The part `[x, y, width, height]` of a picture of that size that is seen.
    fn part(&self, width: u32, height: u32) -> [u32; 4] {
        let side = |whole: u32| whole.div_ceil(ZOOMS[self.zoom]).max(1);
        let (w, h) = (side(width), side(height));
        let start = |centre: f64, whole: u32, part: u32| {
            let first = centre * f64::from(whole) - f64::from(part) / 2.0;
            (first.round().max(0.0) as u32).min(whole - part)
        };
        [start(self.centre.0, width, w), start(self.centre.1, height, h), w, h]
    }

    /// What is seen of a slot's picture.
    pub fn look(&mut self, slot: &'static str, picture: Picture) -> Picture {
        let part = self.part(picture.width, picture.height);
        if let Some(seen) = self.seen.get(slot)
            && Arc::ptr_eq(&seen.whole.rgb, &picture.rgb)
            && seen.part == part
        {
            return seen.picture.clone();
        }
        let shown = if self.zoom == 0 { picture.clone() } else { crop(&picture, part) };
        self.seen.insert(slot, Seen { whole: picture, part, picture: shown.clone() });
        shown
    }

    /// Two pictures in one, `other` on the left of the edge.
    pub fn blend(&mut self, picture: &Picture, other: &Picture, share: f64) -> Picture {
        if let Some((a, b, at, blended)) = &self.blended
            && Arc::ptr_eq(&a.rgb, &picture.rgb)
            && Arc::ptr_eq(&b.rgb, &other.rgb)
            && (at - share).abs() < 1e-9
        {
            return blended.clone();
        }
        let blended = swipe(picture, other, share);
        self.blended = Some((picture.clone(), other.clone(), share, blended.clone()));
        blended
    }

    /// How closely is looked, in words; nothing at all for whole pictures.
    pub fn about(&self) -> String {
        if self.zoom == 0 { String::new() } else { format!("{}× ", ZOOMS[self.zoom]) }
    }

    /// The pixel of a slot's whole picture that the mouse is on, and its colour.
    pub fn pixel(&self, slot: &str) -> Option<(u32, u32, [u8; 3])> {
        let (pointed, x, y) = self.pointed.filter(|(pointed, _, _)| *pointed == slot)?;
        let seen = self.seen.get(pointed)?;
        let (x, y) = (seen.part[0] + x, seen.part[1] + y);
        let at = (y as usize * seen.whole.width as usize + x as usize) * 3;
        let rgb = seen.whole.rgb.get(at..at + 3)?;
        Some((x, y, [rgb[0], rgb[1], rgb[2]]))
    }

    fn set_zoom(&mut self, zoom: usize, towards: Option<(f64, f64)>) {
        let zoom = zoom.min(ZOOMS.len() - 1);
        if let Some((x, y)) = towards.filter(|_| zoom != self.zoom) {
            // What is under the mouse stays there.
            let keep = f64::from(ZOOMS[self.zoom]) / f64::from(ZOOMS[zoom]);
            self.centre.0 = x + (self.centre.0 - x) * keep;
            self.centre.1 = y + (self.centre.1 - y) * keep;
        }
        self.zoom = zoom;
        self.pan(0.0, 0.0);
    }

    /// Moves what is seen by shares of the whole picture.
    fn pan(&mut self, dx: f64, dy: f64) {
        let half = 0.5 / f64::from(ZOOMS[self.zoom]);
        self.centre.0 = (self.centre.0 + dx).clamp(half, 1.0 - half);
        self.centre.1 = (self.centre.1 + dy).clamp(half, 1.0 - half);
    }
}

impl App {
    /// Zooms, pans, and moves the edge between two pictures.
    pub(super) fn move_lens(&mut self, action: &Action) {
        match *action {
            Action::Zoom(closer) => {
                let zoom = self.lens.zoom;
                self.lens.set_zoom(if closer { zoom + 1 } else { zoom.saturating_sub(1) }, None);
            }
            Action::Pan(dx, dy) => {
                if self.lens.zoom == 0 {
                    return self.say("z zooms in first");
                }
                let eighth = 0.125 / f64::from(ZOOMS[self.lens.zoom]);
                self.lens.pan(f64::from(dx) * eighth, f64::from(dy) * eighth);
            }
            Action::ToggleSwipe => {
                self.lens.swipe = if self.lens.swipe.is_some() { None } else { Some(0.5) };
                if self.lens.swipe.is_some() && self.other_picture().is_none() {
                    self.lens.swipe = None;
                    self.say("there is no other picture to lay beside this one");
                }
            }
            Action::MoveSwipe(by) => match &mut self.lens.swipe {
                Some(share) => *share = (*share + f64::from(by) * 0.05).clamp(0.0, 1.0),
                None => self.say("w lays another picture beside this one first"),
            },
            _ => {}
        }
    }

    /// Takes what the mouse did; `hit` is the pixel of what a slot shows under it.
    pub fn on_mouse(&mut self, kind: MouseEventKind, hit: Option<(&'static str, u32, u32)>) {
        if self.has_dialog() {
            return;
        }
        self.lens.pointed = hit;
        let place = hit.and_then(|(slot, x, y)| {
            let seen = self.lens.seen.get(slot)?;
            let share = |part: u32, at: u32, whole: u32| (f64::from(part + at) + 0.5) / f64::from(whole);
            Some((share(seen.part[0], x, seen.whole.width), share(seen.part[1], y, seen.whole.height)))
        });
        match kind {
            MouseEventKind::ScrollUp => self.lens.set_zoom(self.lens.zoom + 1, place),
            MouseEventKind::ScrollDown => self.lens.set_zoom(self.lens.zoom.saturating_sub(1), place),
            MouseEventKind::Down(MouseButton::Left) => self.lens.dragged = hit.map(|(_, x, y)| (x, y)),
            MouseEventKind::Drag(MouseButton::Left) => self.drag(hit, place),
            MouseEventKind::Up(_) => self.lens.dragged = None,
            _ => {}
        }
    }

    fn drag(&mut self, hit: Option<(&'static str, u32, u32)>, place: Option<(f64, f64)>) {
        let Some(((slot, x, y), (share, _))) = hit.zip(place) else { return };
        if self.lens.swipe.is_some() && slot == "result" {
            self.lens.swipe = Some(share);
        } else if let Some((from_x, from_y)) = self.lens.dragged.replace((x, y))
            && let Some(seen) = self.lens.seen.get(slot)
        {
            let by = |from: u32, to: u32, whole: u32| (f64::from(from) - f64::from(to)) / f64::from(whole);
            let (dx, dy) = (by(from_x, x, seen.whole.width), by(from_y, y, seen.whole.height));
            self.lens.pan(dx, dy);
        }
    }

    /// What is laid beside the result: the run it is compared with, or the photo.
    fn other_picture(&self) -> Option<Picture> {
        let photo = || self.snapshot.view.input.clone();
        let other = self.rival().map(|past| past.result.clone()).or_else(photo)?;
        self.snapshot.view.result.is_some().then_some(other)
    }

    /// The result with another picture beside it, where that is wanted.
    pub(super) fn swiped(&mut self, picture: Picture) -> Picture {
        match (self.lens.swipe, self.other_picture()) {
            (Some(share), Some(other)) => self.lens.blend(&picture, &other, share),
            _ => picture,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lens_stays_on_the_picture_and_what_is_under_the_mouse_stays() {
        let picture = Picture::new(64, 48, (0..64 * 48 * 3).map(|i| (i % 251) as u8).collect());
        let mut lens = Lens::default();
        assert_eq!(lens.look("result", picture.clone()), picture);
        lens.set_zoom(2, Some((0.9, 0.1)));
        let [x, y, w, h] = lens.part(64, 48);
        assert_eq!((w, h), (16, 12));
        assert!(x <= 57 && 57 < x + w && y <= 5 && 5 < y + h, "{x} {y}");
        lens.pan(5.0, -5.0);
        assert_eq!(lens.part(64, 48), [48, 0, 16, 12]);
        let part = lens.look("result", picture.clone());
        assert_eq!(part.rgb[..3], picture.rgb[48 * 3..49 * 3]);
        lens.pointed = Some(("result", 1, 2));
        let at = (2 * 64 + 49) * 3;
        let color = [picture.rgb[at], picture.rgb[at + 1], picture.rgb[at + 2]];
        assert_eq!(lens.pixel("result"), Some((49, 2, color)));
        assert_eq!(lens.pixel("input"), None);
        lens.set_zoom(0, None);
        assert_eq!(lens.look("result", picture.clone()), picture);
    }
}
