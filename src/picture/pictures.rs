//! The pictures on the screen, each in a named slot: what is wanted, what is on its way, what the terminal shows.

use super::budget::{steady, usual};
use super::encode::{EncodeTask, Encoded, fitted};
use super::kitty;
use super::pacing::Allowance;
use super::placeholders::{self, MOST};
use super::quality::Preference;
use super::slot::{Importance, Pending, Shown, Slot, Stage, is_marked, mark};
use super::terminal::{Protocol, Terminal};
use super::worker::EncoderWorker;
use super::writer::{FrameEnd, Transmission, Writer};
use crate::imaging::Picture;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A slot's pictures follow each other at this distance at least.
const PACE: Duration = Duration::from_millis(100);
/// A slot counts as live for so long after its picture changed.
const LIVE: Duration = Duration::from_secs(2);
/// Pictures a second that a good line carries.
const GOOD: f64 = 5.0;
/// Of what the line carries, this share is for pictures.
const SHARE: f64 = 0.85;
/// The first of the ids that kitty pictures get.
const FIRST_ID: u32 = 0x67_6c01;

/// The pictures on the screen.
pub struct Pictures {
    terminal: Terminal,
    slots: BTreeMap<&'static str, Slot>,
    worker: EncoderWorker,
    writer: Option<Arc<Writer>>,
    /// Kitty pictures that the terminal knows.
    ids: BTreeSet<u32>,
    /// Kitty pictures to be deleted once what replaces them is in place.
    garbage: Vec<u32>,
    allowance: Allowance,
    /// Bytes a second at most; what the protocol usually takes unless given.
    bandwidth: Option<f64>,
    preference: Preference,
    settled: bool,
    shown: u64,
}

impl Pictures {
    /// Pictures for `terminal`, sent by `writer`; `wake` is called from another thread whenever one has been encoded.
    #[must_use]
    pub fn new(terminal: Terminal, writer: Arc<Writer>, wake: impl Fn() + Send + 'static) -> Self {
        Self { writer: Some(writer), ..Self::with(terminal, EncoderWorker::thread(wake)) }
    }

    /// Half-block pictures encoded on the spot.
    #[must_use]
    pub fn inline() -> Self {
        Self::with(Terminal::plain(Protocol::Halfblocks), EncoderWorker::inline())
    }

    fn with(terminal: Terminal, worker: EncoderWorker) -> Self {
        let allowance = Allowance::new(usual(terminal.protocol), Instant::now());
        Self {
            terminal,
            slots: BTreeMap::new(),
            worker,
            writer: None,
            ids: BTreeSet::new(),
            garbage: vec![],
            allowance,
            bandwidth: None,
            preference: Preference::default(),
            settled: false,
            shown: 0,
        }
    }

    /// What is known of the terminal.
    #[must_use]
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// The terminal turned out to be another one than was thought: everything is drawn anew. The answer is what to write
    /// first.
    pub fn set_terminal(&mut self, terminal: Terminal) -> Vec<u8> {
        let gone = self.clear();
        self.terminal = terminal;
        gone
    }

    /// Bytes a second at most; `None` for what the line and the protocol bear.
    pub fn set_bandwidth(&mut self, bytes_per_second: Option<f64>) {
        self.bandwidth = bytes_per_second;
    }

    /// What a line that does not carry everything is used for.
    pub fn set_preference(&mut self, preference: Preference) {
        self.preference = preference;
    }

    /// Whether nothing moves any more: then pictures follow with nothing left out.
    pub fn set_settled(&mut self, settled: bool) {
        self.settled = settled;
    }

    /// Pictures that the terminal has been shown so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shown
    }

    /// Whether pictures on this terminal are pixels that text erases, so that none may be drawn under a dialog.
    fn is_painted(&self) -> bool {
        matches!(self.terminal.protocol, Protocol::Sixel | Protocol::Iterm2)
    }

    /// Draws the newest picture of `slot` that is ready into the middle of `area`, and has `picture` encoded if that is
    /// another one. A picture keeps its shape and fills the area in one direction.
    pub fn draw(
        &mut self,
        slot: &'static str,
        picture: &Picture,
        area: Rect,
        importance: Importance,
        buffer: &mut Buffer,
    ) {
        if area.is_empty() {
            return;
        }
        let size = fitted(picture, area.as_size(), self.terminal.cell);
        let most = if self.terminal.placeholders { MOST } else { u16::MAX };
        let size = Size::new(size.width.min(most), size.height.min(most));
        let (x, y) = (area.x + (area.width - size.width) / 2, area.y + (area.height - size.height) / 2);
        let place = Rect::new(x, y, size.width, size.height);
        let now = Instant::now();
        let entry = self.slots.entry(slot).or_insert_with(|| Slot {
            importance,
            picture: picture.clone(),
            area: place,
            place: 0,
            drawn: false,
            visible: true,
            shown: None,
            stage: Stage::Idle,
            stale: false,
            last: None,
            changed: now,
        });
        if entry.area != place {
            entry.place = (entry.place + 1) % 4;
            // What was drawn there is somewhere else now, or of another size.
            entry.stale = true;
        }
        if !Arc::ptr_eq(&entry.picture.rgb, &picture.rgb) && entry.picture != *picture {
            entry.changed = now;
        }
        (entry.importance, entry.area, entry.drawn) = (importance, place, true);
        entry.picture = picture.clone();
        self.work();
        let Some(entry) = self.slots.get(slot) else { return };
        let true_color = self.terminal.environment.true_color;
        match &entry.shown {
            Some(Shown { grid: Some(grid), .. }) if grid.size == size => grid.draw(place, true_color, buffer),
            Some(shown) if self.terminal.placeholders && shown.placed.is_some() => {
                placeholders::draw(shown.id, place, buffer);
            }
            _ if self.terminal.protocol.is_text() || self.terminal.placeholders => {}
            _ => mark(place, entry.place, buffer),
        }
    }

    /// Ends a frame whose cells are in `buffer`: forgets the pictures that were not drawn, puts those that have arrived in
    /// their places, and says what is to be written for it.
    pub fn end_frame(&mut self, buffer: &Buffer) -> FrameEnd {
        let mut end = FrameEnd::default();
        let direct = self.terminal.protocol == Protocol::Kitty && !self.terminal.placeholders;
        let painted = self.is_painted();
        let mut gone = vec![];
        for (&name, slot) in &mut self.slots {
            if !std::mem::take(&mut slot.drawn) {
                if let Some(shown) = slot.shown.take().filter(|s| s.id > 0) {
                    self.garbage.push(shown.id);
                }
                end.stale.push(name);
                slot.stale = true;
                if matches!(slot.stage, Stage::Idle) {
                    gone.push(name);
                }
                continue;
            }
            let visible = !(direct || painted) || is_marked(slot.area, slot.place, buffer);
            if painted && (slot.stale || (slot.visible && !visible)) {
                slot.shown = None;
                slot.stale = true;
                end.stale.push(name);
            }
            slot.visible = visible;
            if let Some(shown) = slot.shown.as_mut().filter(|s| s.id > 0) {
                let wanted = Some(slot.area).filter(|_| visible);
                match (shown.placed, wanted) {
                    (before, Some(area)) if before != Some(area) => {
                        end.controls.extend(kitty::place(&self.terminal, shown.id, area));
                        shown.placed = wanted;
                    }
                    (Some(_), None) => {
                        end.controls.extend(kitty::hide(&self.terminal, shown.id));
                        shown.placed = None;
                    }
                    _ => {}
                }
            }
            if matches!(slot.stage, Stage::Idle) {
                slot.stale = false;
            }
        }
        for name in gone {
            self.slots.remove(name);
            self.worker.forget(name);
        }
        for id in self.garbage.drain(..) {
            self.ids.remove(&id);
            end.controls.extend(kitty::delete(&self.terminal, id));
        }
        self.work();
        end
    }

    /// Forgets every picture: what to write to the terminal when the program leaves it.
    pub fn clear(&mut self) -> Vec<u8> {
        let mut gone = vec![];
        if self.terminal.protocol == Protocol::Kitty {
            for id in std::mem::take(&mut self.ids) {
                gone.extend(kitty::delete(&self.terminal, id));
            }
        }
        self.garbage.clear();
        for name in std::mem::take(&mut self.slots).into_keys() {
            self.worker.forget(name);
        }
        // What is being encoded or sent for nobody ends up nowhere.
        gone
    }

    /// When a picture that is held back may be sent.
    #[must_use]
    pub fn due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let settled = self.settled;
        let waits = self.slots.values().filter(|s| s.visible && matches!(s.stage, Stage::Idle) && s.wants(settled));
        let first = waits.filter_map(|s| s.last).map(|last| last + PACE).min()?;
        Some(first.max(now + self.allowance.wait(now)))
    }

    /// Pixels that so many cells have.
    #[must_use]
    pub fn pixels(&self, cells: Size) -> (u32, u32) {
        let (width, height) = self.terminal.cell;
        (u32::from(cells.width) * u32::from(width), u32::from(cells.height) * u32::from(height))
    }

    /// The slot whose picture is drawn at a cell, and the place in the picture, as shares of its width and height.
    #[must_use]
    pub fn place_at(&self, cell: Position) -> Option<(&'static str, f64, f64)> {
        let (name, slot) = self.slots.iter().find(|(_, slot)| slot.area.contains(cell))?;
        let share = |at: u16, start: u16, len: u16| (f64::from(at - start) + 0.5) / f64::from(len);
        let (x, y) = (share(cell.x, slot.area.x, slot.area.width), share(cell.y, slot.area.y, slot.area.height));
        Some((name, x, y))
    }

    /// Takes over what has been encoded and sent, and gives the worker what is wanted and due.
    fn work(&mut self) {
        self.take_delivered();
        self.take_encoded();
        let now = Instant::now();
        let carried = self.writer.as_ref().and_then(|writer| writer.rate());
        let usual = self.bandwidth.unwrap_or_else(|| usual(self.terminal.protocol));
        let slow = carried.is_some_and(|rate| rate * SHARE < usual);
        let rate = carried.map_or(usual, |rate| (rate * SHARE).min(usual));
        self.allowance.set_rate(rate, now);
        let busy = self.writer.as_ref().is_some_and(|writer| writer.has_pictures());
        let text = self.terminal.protocol.is_text();
        let one_at_a_time = !text && self.writer.is_some();
        // A picture that has been replaced and not yet deleted counts too.
        let under_way =
            busy || !self.garbage.is_empty() || self.slots.values().any(|s| !matches!(s.stage, Stage::Idle));
        if one_at_a_time && under_way {
            return;
        }
        let live = self.slots.values().filter(|s| now - s.changed < LIVE).count().max(1);
        let a_second = if slow || self.bandwidth.is_some() { self.preference.pictures_a_second() } else { GOOD };
        let budget = (rate / a_second / live as f64) as usize;
        let piece = ((rate * 0.04) as usize).clamp(1500, 16 * 1024);
        let inline = self.worker.is_inline();
        let mut wanting: Vec<&'static str> = self
            .slots
            .iter()
            .filter(|(_, s)| s.visible && matches!(s.stage, Stage::Idle) && s.wants(self.settled))
            .map(|(name, _)| *name)
            .collect();
        let slots = &self.slots;
        // What has nothing to show yet, then what matters, then what has waited longest.
        wanting.sort_by_key(|name| (slots[name].shown.is_some(), slots[name].importance, slots[name].last));
        for name in wanting {
            let Some(slot) = self.slots.get_mut(name) else { continue };
            let first = slot.shown.as_ref().is_none_or(|shown| shown.area != slot.area.as_size());
            let early = slot.last.is_some_and(|last| now - last < PACE);
            if !first && !inline && (early || self.allowance.wait(now) > Duration::ZERO) {
                continue;
            }
            let full = self.settled || inline;
            let most = steady(&self.terminal, &slot.picture, slot.area);
            let budget = (!full).then_some(if slow || text { budget.min(most) } else { most });
            let id = if self.terminal.protocol == Protocol::Kitty {
                let id = (FIRST_ID..FIRST_ID + 4096).find(|id| !self.ids.contains(id)).unwrap_or(FIRST_ID);
                self.ids.insert(id);
                id
            } else {
                0
            };
            let task = EncodeTask {
                slot: name,
                terminal: self.terminal.clone(),
                picture: slot.picture.clone(),
                area: slot.area,
                id,
                budget,
                piece,
                fresh: slot.shown.is_none(),
            };
            let pending = Pending { picture: slot.picture.clone(), area: slot.area, full, id };
            (slot.last, slot.stale) = (Some(now), false);
            slot.stage = Stage::Encoding(pending);
            if let Some(encoded) = self.worker.encode(task) {
                self.finished(name, encoded);
            }
            if one_at_a_time {
                break;
            }
        }
    }

    fn take_encoded(&mut self) {
        for (name, encoded) in self.worker.finished() {
            self.finished(name, encoded);
        }
    }

    /// A picture has been encoded: cells are shown by the next frame, anything else goes on the line.
    fn finished(&mut self, name: &'static str, encoded: Encoded) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        let Stage::Encoding(pending) = std::mem::replace(&mut slot.stage, Stage::Idle) else { return };
        match encoded {
            Encoded::Cells { grid, changed } => {
                self.allowance.spend(changed * super::blocks::CELL_BYTES, Instant::now());
                self.shown += 1;
                slot.shown = Some(Shown::new(pending, Some(grid)));
            }
            // Pixels for cells that have been covered or left meanwhile.
            Encoded::Pieces { whole: false, .. } if slot.stale => {}
            Encoded::Pieces { pieces, whole } => {
                let bytes = pieces.iter().map(Vec::len).sum();
                self.allowance.spend(bytes, Instant::now());
                slot.stage = Stage::Sending(pending);
                if let Some(writer) = &self.writer {
                    writer.send(Transmission::new(name, pieces, whole));
                }
            }
        }
    }

    /// Pictures whose last piece is out.
    fn take_delivered(&mut self) {
        let delivered = self.writer.as_ref().map(|writer| writer.delivered()).unwrap_or_default();
        for name in delivered {
            let Some(slot) = self.slots.get_mut(name) else { continue };
            if let Stage::Sending(pending) = std::mem::replace(&mut slot.stage, Stage::Idle) {
                if pending.id > 0 {
                    // It takes its place in the next frame; what it replaces goes then.
                    self.shown += 1;
                    let old = slot.shown.replace(Shown::new(pending, None));
                    self.garbage.extend(old.map(|shown| shown.id).filter(|id| *id > 0));
                } else if !slot.stale {
                    self.shown += 1;
                    slot.shown = Some(Shown::new(pending, None));
                }
            }
        }
    }
}
