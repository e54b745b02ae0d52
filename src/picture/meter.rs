//! How many bytes go to the terminal.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A writer that collects a frame, hands it over in one piece and counts its bytes.
pub struct MeteredWriter<W: Write> {
    inner: W,
    frame: Vec<u8>,
    bytes: Arc<AtomicU64>,
}

impl<W: Write> MeteredWriter<W> {
    /// Counts what goes to `inner`; the count is shared with a [`Meter`].
    pub fn new(inner: W) -> (Self, Meter) {
        let bytes = Arc::new(AtomicU64::new(0));
        let meter = Meter { bytes: bytes.clone(), last: (Instant::now(), 0), rate: 0.0 };
        (Self { inner, frame: Vec::new(), bytes }, meter)
    }
}

impl<W: Write> Write for MeteredWriter<W> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.frame.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let frame = std::mem::take(&mut self.frame);
        self.inner.write_all(&frame)?;
        self.bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
        self.inner.flush()?;
        self.frame = frame;
        self.frame.clear();
        Ok(())
    }
}

/// The rate at which bytes go out.
#[derive(Debug)]
pub struct Meter {
    bytes: Arc<AtomicU64>,
    last: (Instant, u64),
    rate: f64,
}

impl Meter {
    /// Bytes a second over the last second or so; to be asked several times a second.
    pub fn rate(&mut self) -> f64 {
        let (since, before) = self.last;
        let seconds = since.elapsed().as_secs_f64();
        if seconds >= 1.0 {
            let now = self.bytes.load(Ordering::Relaxed);
            self.rate = (now - before) as f64 / seconds;
            self.last = (Instant::now(), now);
        }
        self.rate
    }
}
