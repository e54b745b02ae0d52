//! Putting pictures on a terminal: detection, encoding off the drawing thread, pacing.
//!
//! The dashboard hands a [`Pictures`] a picture and a rectangle; everything about protocols stays in here. The
//! encoders are ratatui-image's.

mod detect;
mod encode;
mod meter;

pub use detect::{Protocol, Terminal};
pub use meter::{Meter, MeteredWriter};

use crate::error::{Error, Result};
use crate::imaging::Picture;
use encode::{Encoded, Job, encode};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::widgets::Widget;
use ratatui_image::Image;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// A slot's pictures are sent at most this often; the newest one always follows.
const PACE: Duration = Duration::from_millis(120);

/// Makes of a picture what `protocol` writes for `area` of cells of 10×20 pixels, and forgets it: to time it.
///
/// # Errors
/// If it cannot be encoded.
pub fn encode_once(protocol: Protocol, picture: &Picture, area: Size) -> Result<()> {
    let terminal = Terminal { protocol, cell: (10, 20), tmux: false };
    let job = Job { slot: "once", id: 1, picture: picture.clone(), area, terminal };
    encode(job).map(|_| ()).map_err(|e| Error::bad_value("picture", "", e.to_string()))
}

/// The pictures on the screen, each in a named slot.
pub struct Pictures {
    terminal: Terminal,
    slots: HashMap<&'static str, Slot>,
    worker: Worker,
    sent: u64,
}

enum Worker {
    /// A thread encodes; `wake` is called when something is ready.
    Thread { jobs: Sender<Job>, done: Receiver<(&'static str, Option<Encoded>)> },
    /// Everything is encoded on the spot: for tests of the drawn screen.
    Inline,
}

struct Slot {
    /// Fixed, so that a terminal replaces the old picture instead of keeping both.
    id: u32,
    shown: Option<Encoded>,
    wanted: Option<(Picture, Size)>,
    encoding: bool,
    last: Option<Instant>,
    drawn: bool,
}

impl Pictures {
    /// Pictures for `terminal`; `wake` is called from another thread whenever one is ready to be drawn.
    #[must_use]
    pub fn new(terminal: Terminal, wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, queue) = channel::<Job>();
        let (finished, done) = channel();
        let spawned = std::thread::Builder::new().name("gradlens-pictures".into()).spawn(move || {
            for job in queue {
                let slot = job.slot;
                let encoded = encode(job).inspect_err(|error| tracing::warn!(%error, "encoding a picture"));
                if finished.send((slot, encoded.ok())).is_err() {
                    return;
                }
                wake();
            }
        });
        let worker = if spawned.is_ok() { Worker::Thread { jobs, done } } else { Worker::Inline };
        Self { terminal, slots: HashMap::new(), worker, sent: 0 }
    }

    /// Half-block pictures encoded on the spot.
    #[must_use]
    pub fn inline() -> Self {
        Self { terminal: Terminal::halfblocks(), slots: HashMap::new(), worker: Worker::Inline, sent: 0 }
    }

    /// The protocol in use.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.terminal.protocol
    }

    /// Pictures handed to the terminal so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether text drawn over a picture stays visible when the picture changes. Where it does not, pictures are
    /// left out while a dialog is open.
    #[must_use]
    pub fn text_covers_pictures(&self) -> bool {
        matches!(self.terminal.protocol, Protocol::Kitty | Protocol::Halfblocks)
    }

    /// Draws the newest encoded picture of `slot` into the middle of `area`, and has `picture` encoded if that is
    /// another one. A picture keeps its shape and fills the area in one direction.
    pub fn draw(&mut self, slot: &'static str, picture: &Picture, area: Rect, buffer: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let size = area.as_size();
        let next_id = 0x0067_6c01 + self.slots.len() as u32;
        let entry = self.slots.entry(slot).or_insert_with(|| Slot {
            id: next_id,
            shown: None,
            wanted: None,
            encoding: false,
            last: None,
            drawn: false,
        });
        entry.drawn = true;
        let newest = entry.shown.as_ref().is_some_and(|s| s.is_of(picture, size));
        entry.wanted = (!newest).then(|| (picture.clone(), size));
        self.work();
        let Some(encoded) = self.slots.get(slot).and_then(|s| s.shown.as_ref()) else { return };
        let fits = encoded.size.width <= area.width && encoded.size.height <= area.height;
        if fits && encoded.area == size {
            let x = area.x + (area.width - encoded.size.width) / 2;
            let y = area.y + (area.height - encoded.size.height) / 2;
            Image::new(&encoded.protocol).render(Rect::new(x, y, encoded.size.width, encoded.size.height), buffer);
        }
    }

    /// Forgets the pictures that were not drawn since the last call; to be called after each frame. The answer
    /// is what to write to the terminal so that it forgets them too.
    pub fn end_frame(&mut self) -> String {
        let mut gone = String::new();
        let terminal = &self.terminal;
        self.slots.retain(|_, slot| {
            let keep = std::mem::take(&mut slot.drawn) || slot.encoding;
            if !keep {
                gone.push_str(&terminal.forget(slot.id));
            }
            keep
        });
        gone
    }

    /// Forgets every picture: what to write to the terminal when the program leaves it.
    pub fn clear(&mut self) -> String {
        self.slots.drain().map(|(_, slot)| self.terminal.forget(slot.id)).collect()
    }

    /// When a picture that is held back by the pace may be sent.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let waiting = self.slots.values().filter(|s| s.wanted.is_some() && !s.encoding);
        waiting.filter_map(|s| s.last).map(|last| last + PACE).min()
    }

    /// Takes over what the worker has finished and gives it what is wanted and due.
    fn work(&mut self) {
        if let Worker::Thread { done, .. } = &self.worker {
            for (slot, encoded) in done.try_iter().collect::<Vec<_>>() {
                self.sent += 1;
                let Some(slot) = self.slots.get_mut(slot) else { continue };
                slot.encoding = false;
                if encoded.is_some() {
                    slot.shown = encoded;
                }
                if let (Some(shown), Some((picture, size))) = (&slot.shown, &slot.wanted)
                    && shown.is_of(picture, *size)
                {
                    slot.wanted = None;
                }
            }
        }
        for (&name, slot) in &mut self.slots {
            let early = slot.last.is_some_and(|last| last.elapsed() < PACE);
            // A new size has nothing to show meanwhile, so it does not wait.
            let resized = match (&slot.shown, &slot.wanted) {
                (Some(shown), Some((_, size))) => shown.area != *size,
                _ => true,
            };
            if slot.encoding || (early && !resized) {
                continue;
            }
            let Some((picture, size)) = slot.wanted.take() else { continue };
            let job = Job { slot: name, id: slot.id, picture, area: size, terminal: self.terminal.clone() };
            slot.last = Some(Instant::now());
            match &self.worker {
                Worker::Thread { jobs, .. } => slot.encoding = jobs.send(job).is_ok(),
                Worker::Inline => slot.shown = encode(job).ok(),
            }
        }
    }
}
