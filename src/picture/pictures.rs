//! The pictures on the screen, each in a named slot: what is wanted, what is on its way, what the terminal shows.

use super::blocks::Grid;
use super::encode::{Encoded, Encoder, Task, fitted};
use super::kitty;
use super::line::{Line, Parcel};
use super::pacing::Allowance;
use super::placeholders::{self, MOST};
use super::quality::Preference;
use super::terminal::{Protocol, Terminal};
use crate::imaging::Picture;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};
use ratatui::style::Color;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// A slot's pictures follow each other at this distance at least.
const PACE: Duration = Duration::from_millis(100);
/// A slot counts as live for so long after its picture changed.
const LIVE: Duration = Duration::from_secs(2);
/// Pictures a second that a good line carries.
const GOOD: f64 = 5.0;
/// Bytes a picture of up to 256×256 pixels may take while it moves.
const STEADY: usize = 52_000;
/// The same of a sixel picture, a pixel of the screen.
const STEADY_SIXEL: f64 = 0.8;
/// Of what the line carries, this share is for pictures.
const SHARE: f64 = 0.85;
/// The first of the ids that kitty pictures get.
const FIRST_ID: u32 = 0x67_6c01;

/// How much a picture matters where not all can be sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// What the person watches.
    Main,
    /// What stands beside it.
    Side,
}

/// What encodes a picture that moves for `protocol`, again and again, for `area` of cells of 10×20 pixels and within its
/// usual budget: to time it. Each call takes the next of the pictures and gives its size in bytes.
///
/// # Panics
/// If there are no pictures.
pub fn moving_picture(protocol: Protocol, pictures: Vec<Picture>, area: Size) -> impl FnMut() -> usize {
    let terminal = Terminal::plain(protocol);
    let mut encoder = Encoder::default();
    let mut made = 0;
    move || {
        let picture = pictures[made % pictures.len()].clone();
        let size = fitted(&picture, area, terminal.cell);
        let area = Rect::new(0, 0, size.width, size.height);
        let budget = Some(steady(&terminal, &picture, area));
        let terminal = terminal.clone();
        let task = Task { slot: "moving", terminal, picture, area, id: 1, budget, piece: 4096, fresh: made == 0 };
        made += 1;
        match encoder.encode(&task) {
            Encoded::Pieces { pieces, .. } => pieces.iter().map(Vec::len).sum(),
            Encoded::Cells { changed, .. } => changed * super::blocks::CELL_BYTES,
        }
    }
}

/// Bytes that a moving picture may take on a good line.
fn steady(terminal: &Terminal, picture: &Picture, area: Rect) -> usize {
    let cells = usize::from(area.width) * usize::from(area.height);
    let of_screen = cells * usize::from(terminal.cell.0) * usize::from(terminal.cell.1);
    match terminal.protocol {
        Protocol::Sixel => ((of_screen as f64 * STEADY_SIXEL) as usize).max(2000),
        Protocol::Kitty | Protocol::Iterm2 => {
            let pixels = of_screen.min(picture.rgb.len() / 3);
            STEADY * pixels.max(65_536) / 65_536
        }
        _ => usize::MAX,
    }
}

/// Bytes a second that go out on a line of which nothing is known but the protocol.
fn usual(protocol: Protocol) -> f64 {
    match protocol {
        Protocol::Kitty | Protocol::Iterm2 => 450e3,
        Protocol::Sixel => 800e3,
        _ => 220e3,
    }
}

/// What is to be written after a frame's text, and whose pictures are stale.
#[derive(Debug, Default)]
pub struct FrameEnd {
    /// Control sequences.
    pub controls: Vec<u8>,
    pub(super) stale: Vec<&'static str>,
}

/// The pictures on the screen.
pub struct Pictures {
    terminal: Terminal,
    slots: BTreeMap<&'static str, Slot>,
    worker: Worker,
    line: Option<Arc<Line>>,
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

enum Worker {
    /// A thread encodes.
    Thread { tasks: Sender<Order>, done: Receiver<(&'static str, Encoded)> },
    /// Everything is encoded on the spot: for tests of the drawn screen.
    Inline(BTreeMap<&'static str, Encoder>),
}

enum Order {
    Encode(Box<Task>),
    Forget(&'static str),
}

struct Slot {
    importance: Importance,
    picture: Picture,
    /// The cells it fills.
    area: Rect,
    /// Counts its places, so that cells it leaves are drawn again.
    place: u8,
    drawn: bool,
    /// Nothing lies over it.
    visible: bool,
    shown: Option<Shown>,
    stage: Stage,
    /// What is on its way is for another place, or its cells have been covered.
    stale: bool,
    last: Option<Instant>,
    changed: Instant,
}

/// What the terminal shows of a slot.
struct Shown {
    picture: Picture,
    area: Size,
    /// With nothing left out.
    full: bool,
    grid: Option<Grid>,
    id: u32,
    placed: Option<Rect>,
}

enum Stage {
    Idle,
    Encoding(Promise),
    Sending(Promise),
}

/// What will be shown.
#[derive(Clone)]
struct Promise {
    picture: Picture,
    area: Rect,
    full: bool,
    id: u32,
}

impl Shown {
    fn new(promise: Promise, grid: Option<Grid>) -> Self {
        let Promise { picture, area, full, id } = promise;
        Self { picture, area: area.as_size(), full, grid, id, placed: None }
    }

    fn is(&self, picture: &Picture, area: Size) -> bool {
        self.area == area && (Arc::ptr_eq(&self.picture.rgb, &picture.rgb) || self.picture == *picture)
    }
}

impl Pictures {
    /// Pictures for `terminal`, sent over `line`; `wake` is called from another thread whenever one has been encoded.
    #[must_use]
    pub fn new(terminal: Terminal, line: Arc<Line>, wake: impl Fn() + Send + 'static) -> Self {
        let (tasks, queue) = channel::<Order>();
        let (finished, done) = channel();
        let spawned = std::thread::Builder::new().name("gradlens-pictures".into()).spawn(move || {
            let mut encoders: BTreeMap<&'static str, Encoder> = BTreeMap::new();
            for order in queue {
                match order {
                    Order::Encode(task) => {
                        let encoded = encoders.entry(task.slot).or_default().encode(&task);
                        if finished.send((task.slot, encoded)).is_err() {
                            return;
                        }
                        wake();
                    }
                    Order::Forget(slot) => drop(encoders.remove(slot)),
                }
            }
        });
        let worker = if spawned.is_ok() { Worker::Thread { tasks, done } } else { Worker::Inline(BTreeMap::new()) };
        Self { line: Some(line), ..Self::with(terminal, worker) }
    }

    /// Half-block pictures encoded on the spot.
    #[must_use]
    pub fn inline() -> Self {
        Self::with(Terminal::plain(Protocol::Halfblocks), Worker::Inline(BTreeMap::new()))
    }

    fn with(terminal: Terminal, worker: Worker) -> Self {
        let allowance = Allowance::new(usual(terminal.protocol), Instant::now());
        Self {
            terminal,
            slots: BTreeMap::new(),
            worker,
            line: None,
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
        let true_color = self.terminal.names.true_color;
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
            self.forget(name);
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
            self.forget(name);
        }
        // What is being encoded or sent for nobody ends up nowhere.
        gone
    }

    fn forget(&mut self, slot: &'static str) {
        match &mut self.worker {
            Worker::Thread { tasks, .. } => drop(tasks.send(Order::Forget(slot))),
            Worker::Inline(encoders) => drop(encoders.remove(slot)),
        }
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

    /// The pixel of a picture that is drawn at a cell: the slot, and the column and row.
    #[must_use]
    pub fn pixel_at(&self, cell: Position) -> Option<(&'static str, u32, u32)> {
        let (name, slot) = self.slots.iter().find(|(_, slot)| slot.area.contains(cell))?;
        let part = |at: u16, start: u16, len: u16, pixels: u32| {
            ((f64::from(at - start) + 0.5) / f64::from(len) * f64::from(pixels)) as u32
        };
        let x = part(cell.x, slot.area.x, slot.area.width, slot.picture.width);
        let y = part(cell.y, slot.area.y, slot.area.height, slot.picture.height);
        Some((name, x.min(slot.picture.width - 1), y.min(slot.picture.height - 1)))
    }

    /// Takes over what has been encoded and sent, and gives the worker what is wanted and due.
    fn work(&mut self) {
        self.take_delivered();
        self.take_encoded();
        let now = Instant::now();
        let carried = self.line.as_ref().and_then(|line| line.rate());
        let usual = self.bandwidth.unwrap_or_else(|| usual(self.terminal.protocol));
        let slow = carried.is_some_and(|rate| rate * SHARE < usual);
        let rate = carried.map_or(usual, |rate| (rate * SHARE).min(usual));
        self.allowance.set_rate(rate, now);
        let busy = self.line.as_ref().is_some_and(|line| line.has_pictures());
        let text = self.terminal.protocol.is_text();
        let one_at_a_time = !text && self.line.is_some();
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
        let inline = matches!(self.worker, Worker::Inline(_));
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
            let task = Task {
                slot: name,
                terminal: self.terminal.clone(),
                picture: slot.picture.clone(),
                area: slot.area,
                id,
                budget,
                piece,
                fresh: slot.shown.is_none(),
            };
            let promise = Promise { picture: slot.picture.clone(), area: slot.area, full, id };
            (slot.last, slot.stale) = (Some(now), false);
            slot.stage = Stage::Encoding(promise);
            match &mut self.worker {
                Worker::Thread { tasks, .. } => drop(tasks.send(Order::Encode(Box::new(task)))),
                Worker::Inline(encoders) => {
                    let encoded = encoders.entry(name).or_default().encode(&task);
                    self.finished(name, encoded);
                }
            }
            if one_at_a_time {
                break;
            }
        }
    }

    fn take_encoded(&mut self) {
        if let Worker::Thread { done, .. } = &self.worker {
            for (name, encoded) in done.try_iter().collect::<Vec<_>>() {
                self.finished(name, encoded);
            }
        }
    }

    /// A picture has been encoded: cells are shown by the next frame, anything else goes on the line.
    fn finished(&mut self, name: &'static str, encoded: Encoded) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        let Stage::Encoding(promise) = std::mem::replace(&mut slot.stage, Stage::Idle) else { return };
        match encoded {
            Encoded::Cells { grid, changed } => {
                self.allowance.spend(changed * super::blocks::CELL_BYTES, Instant::now());
                self.shown += 1;
                slot.shown = Some(Shown::new(promise, Some(grid)));
            }
            // Pixels for cells that have been covered or left meanwhile.
            Encoded::Pieces { whole: false, .. } if slot.stale => {}
            Encoded::Pieces { pieces, whole } => {
                let bytes = pieces.iter().map(Vec::len).sum();
                self.allowance.spend(bytes, Instant::now());
                slot.stage = Stage::Sending(promise);
                if let Some(line) = &self.line {
                    line.send(Parcel::new(name, pieces, whole));
                }
            }
        }
    }

    /// Pictures whose last piece is out.
    fn take_delivered(&mut self) {
        let delivered = self.line.as_ref().map(|line| line.delivered()).unwrap_or_default();
        for name in delivered {
            let Some(slot) = self.slots.get_mut(name) else { continue };
            if let Stage::Sending(promise) = std::mem::replace(&mut slot.stage, Stage::Idle) {
                if promise.id > 0 {
                    // It takes its place in the next frame; what it replaces goes then.
                    self.shown += 1;
                    let old = slot.shown.replace(Shown::new(promise, None));
                    self.garbage.extend(old.map(|shown| shown.id).filter(|id| *id > 0));
                } else if !slot.stale {
                    self.shown += 1;
                    slot.shown = Some(Shown::new(promise, None));
                }
            }
        }
    }
}

impl Slot {
    /// Whether something else is to be shown than is.
    fn wants(&self, settled: bool) -> bool {
        let up_to_date = |shown: &Shown| shown.is(&self.picture, self.area.as_size()) && (shown.full || !settled);
        !self.shown.as_ref().is_some_and(up_to_date)
    }
}

/// The foreground of the blank cells under a picture: unlike any other blank, so that they are drawn again when the
/// picture leaves them or another comes.
fn marked(place: u8) -> Color {
    Color::Indexed(16 + place)
}

fn mark(area: Rect, place: u8, buffer: &mut Buffer) {
    for position in area.positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            cell.reset();
            cell.set_fg(marked(place));
        }
    }
}

fn is_marked(area: Rect, place: u8, buffer: &Buffer) -> bool {
    area.positions()
        .all(|position| buffer.cell(position).is_none_or(|cell| cell.symbol() == " " && cell.fg == marked(place)))
}
