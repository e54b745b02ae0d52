//! What the slots of the screen show.

use super::App;
use crate::engine::Photo;
use crate::imaging::{Area, HeatMap, Picture};
use crate::tui::action::Action;
use crate::tui::content::Content;
use crate::tui::text::short;
use crossterm::event::{MouseButton, MouseEventKind};

/// All of a photo, as shares of it.
const WHOLE: Area = Area { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };

/// The slot of what comes of a run.
pub(in crate::tui) const RESULT: &str = "result";

impl App {
    /// The photo, with the part that the network sees.
    pub(in crate::tui) fn photo_content(&self) -> Option<Content> {
        self.run.photo().map(|(photo, seen)| Content::Photo { photo, seen })
    }

    /// What was made so far, with the picture beside it that is wanted, or the map.
    pub(in crate::tui) fn result_content(&self) -> Option<Content> {
        let view = &self.snapshot().view;
        let below = match (&view.result, &view.heat) {
            (Some(result), _) => Content::Part(result.clone()),
            (None, Some(heat)) => return self.map_content(heat),
            (None, None) => return self.photo_content(),
        };
        match (self.showing.swipe, self.other_picture()) {
            (Some(share), Some(above)) => Some(Content::Swipe { below: Box::new(below), above, share }),
            _ => Some(below),
        }
    }

    /// One map of a comparison.
    pub(in crate::tui) fn panel_content(&self, panel: usize) -> Option<Content> {
        self.map_content(&self.snapshot().view.panels.get(panel)?.heat)
    }

    /// Width and height of the picture that the network sees of the photo, if that is not the photo itself.
    pub(in crate::tui) fn seen_size(&self) -> Option<[u32; 2]> {
        let (photo, view) = (self.snapshot().photo.as_ref()?, &self.snapshot().view);
        let input = view.input.as_ref().filter(|_| view.cropped)?;
        Some([input.width, input.height]).filter(|seen| *seen != photo.size)
    }

    /// A map on the photo, or on what the network sees of it.
    fn map_content(&self, heat: &HeatMap) -> Option<Content> {
        let (heat, display) = (heat.clone(), self.showing.map.clone());
        let (photo, seen) = if display.colors.crop {
            let input = self.snapshot().view.input.clone()?;
            let all = Area::whole(input.width, input.height);
            (input, all)
        } else {
            self.run.photo()?
        };
        Some(Content::Map { heat, photo, seen, display })
    }

    /// The map that the display keys are about.
    pub(in crate::tui) fn shown_map(&self) -> Option<&HeatMap> {
        let snapshot = self.snapshot();
        snapshot.view.heat.as_ref().or_else(|| snapshot.view.panels.first().map(|panel| &panel.heat))
    }

    /// Where the part of the photo that the network sees lies, as shares of the photo.
    fn seen(&self) -> Area {
        let Some(Photo { size, seen, .. }) = &self.snapshot().photo else { return WHOLE };
        let [across, down] = size.map(f64::from);
        Area { x: seen.x / across, y: seen.y / down, width: seen.width / across, height: seen.height / down }
    }

    /// The part of what a slot shows that is zoomed in on; computed for at most so many pixels where it is computed.
    pub(in crate::tui) fn zoomed(&mut self, slot: &'static str, content: &Content, most: (u32, u32)) -> Picture {
        if let Content::Alone(picture) = content {
            return picture.clone();
        }
        let frame = if content.is_of_seen() { self.seen() } else { WHOLE };
        let part = self.showing.zoom.view(slot, content.size(), frame);
        self.showing.cache.picture(slot, content, part, most)
    }

    /// The pixel under the mouse, if that is on this slot, in words: its place in the photo, its colour, and the map's value.
    pub(in crate::tui) fn pixel(&self, slot: &str) -> Option<String> {
        let pointed = self.showing.zoom.pointed(slot)?;
        let [r, g, b] = self.showing.cache.color(slot, pointed.shown)?;
        let at = |share: f64, len: u32| ((share * f64::from(len)) as u32).min(len - 1);
        let (x, y) = match &self.snapshot().photo {
            Some(photo) => (at(pointed.photo.0, photo.size[0]), at(pointed.photo.1, photo.size[1])),
            None => pointed.pixel,
        };
        let value = self.map_value(pointed.photo).map(|v| format!("· map {} ", short(f64::from(v))));
        Some(format!("{x},{y} rgb {r} {g} {b} {}", value.unwrap_or_default()))
    }

    /// The map's value at a place in the photo.
    fn map_value(&self, (x, y): (f64, f64)) -> Option<f32> {
        let heat = self.snapshot().view.heat.as_ref()?;
        let seen = self.seen();
        let cell = |at: f64, start: f64, length: f64, cells: u32| {
            let share = (at - start) / length;
            (0.0..1.0).contains(&share).then(|| (share * f64::from(cells)) as usize)
        };
        let (column, row) = (cell(x, seen.x, seen.width, heat.width)?, cell(y, seen.y, seen.height, heat.height)?);
        heat.values.get(row * heat.width as usize + column).copied()
    }

    /// Changes how maps are drawn.
    pub(super) fn change_display(&mut self, action: &Action) {
        let heat = self.shown_map().cloned();
        if let Some(text) = self.showing.map.change(action, heat.as_ref()) {
            self.say(&text);
        }
    }

    /// What is laid beside the result: the run it is compared with, or the photo as the network sees it.
    fn other_picture(&self) -> Option<Picture> {
        self.run.reference().map(|past| past.result.clone()).or_else(|| self.snapshot().view.input.clone())
    }

    /// Lays another picture over a part of the result, or none again.
    pub(super) fn toggle_swipe(&mut self) {
        if self.showing.swipe.take().is_some() {
            return;
        }
        if self.snapshot().view.result.is_none() || self.other_picture().is_none() {
            return self.say("there is no other picture to lay beside this one");
        }
        self.showing.swipe = Some(0.5);
    }

    /// Whether the mouse moved the edge of the other picture.
    pub(super) fn swiped_by_mouse(&mut self, kind: MouseEventKind, hit: Option<(&'static str, f64, f64)>) -> bool {
        match (kind, hit) {
            (MouseEventKind::Drag(MouseButton::Left), Some((RESULT, x, _))) if self.showing.swipe.is_some() => {
                self.showing.swipe = self.showing.zoom.share_of_picture(RESULT, x);
                true
            }
            _ => false,
        }
    }
}
