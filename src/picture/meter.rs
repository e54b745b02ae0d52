//! What goes to the terminal: frames of text, and how much it is.

use super::writer::Writer;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A writer that collects a frame until it is taken.
#[derive(Debug, Clone, Default)]
pub struct FrameBuffer(Arc<Mutex<Vec<u8>>>);

impl FrameBuffer {
    /// What was written since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for FrameBuffer {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How much goes to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// Bytes a second.
    pub bytes: f64,
    /// Pictures a second.
    pub pictures: f64,
}

/// The rates at which bytes and pictures go out.
#[derive(Debug)]
pub struct Meter {
    last: (Instant, u64, u64),
    rates: Rates,
}

impl Default for Meter {
    fn default() -> Self {
        Self { last: (Instant::now(), 0, 0), rates: Rates::default() }
    }
}

impl Meter {
    /// The rates over the last second or so; to be asked several times a second. `pictures` counts those shown so far.
    pub fn rates(&mut self, writer: &Writer, pictures: u64) -> Rates {
        let (since, bytes_then, pictures_then) = self.last;
        let seconds = since.elapsed().as_secs_f64();
        if seconds >= 1.0 {
            let bytes = writer.sent();
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
            self.rates = Rates { bytes: rate(bytes, bytes_then), pictures: rate(pictures, pictures_then) };
            self.last = (Instant::now(), bytes, pictures);
        }
        self.rates
    }
}
