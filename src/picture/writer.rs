//! Writing to the terminal: a thread that sends text first and pictures, in pieces, as fast as the terminal takes them.

use super::pacing::{Pacing, QUESTION};
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the writer looks for lost answers.
const LOOK: Duration = Duration::from_millis(250);
/// A flush at the end waits no longer for a slow line.
const FAREWELL: Duration = Duration::from_millis(1500);

/// What is to be written after a frame's text, and whose pictures are stale.
#[derive(Debug, Default)]
pub struct FrameEnd {
    /// Control sequences.
    pub controls: Vec<u8>,
    pub(super) stale: Vec<&'static str>,
}

/// A picture on its way, in control sequences that are sent one by one.
#[derive(Debug)]
pub(super) struct Transmission {
    pub slot: &'static str,
    pub pieces: VecDeque<Vec<u8>>,
    /// Whether nothing of it may be left out once it has begun: pieces of one transmission.
    pub whole: bool,
    begun: bool,
}

impl Transmission {
    pub fn new(slot: &'static str, pieces: Vec<Vec<u8>>, whole: bool) -> Self {
        Self { slot, pieces: pieces.into(), whole, begun: false }
    }
}

struct State {
    text: Vec<u8>,
    transmissions: VecDeque<Transmission>,
    /// Slots whose transmissions have been sent, for whoever asks next.
    delivered: Vec<&'static str>,
    pacing: Pacing,
    written: u64,
    /// A burst is being written.
    writing: bool,
    /// No more questions: nobody would be there to hear the answer.
    quiet: bool,
    held: bool,
    ended: bool,
    broken: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The writing end of a terminal. Dropping it ends its thread.
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts a thread that writes to `out`. `answers` says whether the terminal answers status questions; `wake` is
    /// called when there is room again or a picture has been sent.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(
        mut out: impl Write + Send + 'static,
        answers: bool,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let state = State {
            text: vec![],
            transmissions: VecDeque::new(),
            delivered: vec![],
            pacing: Pacing::new(answers),
            written: 0,
            writing: false,
            quiet: false,
            held: false,
            ended: false,
            broken: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let own = shared.clone();
        std::thread::Builder::new().name("gradlens-writer".into()).spawn(move || {
            while let Some((burst, finished)) = own.next_burst() {
                let began = Instant::now();
                let outcome = out.write_all(&burst).and_then(|()| out.flush());
                let mut state = own.lock();
                state.pacing.written(burst.len(), began.elapsed());
                state.writing = false;
                state.written += burst.len() as u64;
                if let Some(slot) = finished {
                    state.delivered.push(slot);
                }
                if outcome.is_err() {
                    state.broken = true;
                }
                own.changed.notify_all();
                drop(state);
                wake();
                if outcome.is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { shared })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Hands over a frame: what it draws, with pictures of `stale` slots that are not on their way yet left out from here
    /// on.
    pub fn frame(&self, text: &[u8], end: &FrameEnd) {
        self.text(text, &end.stale);
    }

    fn text(&self, text: &[u8], stale: &[&'static str]) {
        let mut state = self.state();
        state.text.extend_from_slice(text);
        for slot in stale {
            let left: usize = state.transmissions.iter().filter(|p| p.slot == *slot && !(p.whole && p.begun)).count();
            if left > 0 {
                state.transmissions.retain(|p| p.slot != *slot || (p.whole && p.begun));
                state.delivered.push(slot);
            }
        }
        self.shared.changed.notify_all();
    }

    /// Hands over a picture.
    pub(super) fn send(&self, transmission: Transmission) {
        self.state().transmissions.push_back(transmission);
        self.shared.changed.notify_all();
    }

    /// Slots whose transmissions have been sent or left out since the last call.
    pub(super) fn delivered(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().delivered)
    }

    /// The terminal answered a status question.
    pub fn answered(&self) {
        self.state().pacing.answered(Instant::now());
        self.shared.changed.notify_all();
    }

    /// Whether another frame of text may be drawn without queuing up behind the ones before it.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let state = self.state();
        state.text.is_empty() && state.pacing.room() > 0
    }

    /// Whether pictures wait to be sent.
    pub(super) fn has_pictures(&self) -> bool {
        !self.state().transmissions.is_empty()
    }

    /// Bytes a second that the line carries, as far as that is known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.state().pacing.rate()
    }

    /// Bytes sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.state().written
    }

    /// Whether the terminal is gone.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.state().broken
    }

    /// Leaves out every picture, writes `last` and waits until it is out and every question is answered, so that no answer
    /// goes to a shell; but not for ever. Writes nothing more while it is held.
    pub fn hold(&self, last: &[u8]) {
        let mut state = self.state();
        // What has begun has to end, or the terminal waits for the rest.
        state.transmissions.retain(|p| p.whole && p.begun);
        let rest: Vec<u8> = state.transmissions.drain(..).flat_map(|p| p.pieces).flatten().collect();
        state.text.extend(rest);
        state.text.extend_from_slice(last);
        state.quiet = true;
        self.shared.changed.notify_all();
        let end = Instant::now() + FAREWELL;
        while (state.writing || !state.text.is_empty() || !state.pacing.is_idle()) && !state.broken {
            let Some(left) = end.checked_duration_since(Instant::now()) else { break };
            state =
                self.shared.changed.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |(state, _)| state);
        }
        state.delivered.clear();
        state.held = true;
    }

    /// Goes on after [`Self::hold`].
    pub fn go_on(&self) {
        let mut state = self.state();
        (state.held, state.quiet) = (false, false);
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.state().ended = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to write: the bytes, and the slot whose picture they complete. `None` at the end.
    fn next_burst(&self) -> Option<(Vec<u8>, Option<&'static str>)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            state.pacing.expire(Instant::now());
            if let Some((mut bytes, finished)) = state.burst() {
                state.writing = true;
                if state.pacing.answers && !state.quiet {
                    bytes.extend_from_slice(QUESTION);
                    state.pacing.sent(bytes.len(), Instant::now());
                }
                return Some((bytes, finished));
            }
            state = self.changed.wait_timeout(state, LOOK).map_or_else(|e| e.into_inner().0, |(state, _)| state);
        }
    }
}

impl State {
    fn burst(&mut self) -> Option<(Vec<u8>, Option<&'static str>)> {
        if self.held {
            return None;
        }
        if !self.text.is_empty() {
            return Some((std::mem::take(&mut self.text), None));
        }
        let room = self.pacing.room();
        let transmission = self.transmissions.front_mut()?;
        let next = transmission.pieces.front().map_or(0, Vec::len);
        // A piece larger than the whole window goes when nothing else is under way.
        if next > room && !self.pacing.is_idle() {
            return None;
        }
        let mut bytes = vec![];
        while let Some(piece) = transmission.pieces.front() {
            if !bytes.is_empty() && bytes.len() + piece.len() > room {
                break;
            }
            bytes.append(&mut transmission.pieces.pop_front()?);
        }
        transmission.begun = true;
        let slot = transmission.slot;
        let finished = transmission.pieces.is_empty();
        if finished {
            self.transmissions.pop_front();
        }
        if bytes.is_empty() && !finished {
            return None;
        }
        Some((bytes, finished.then_some(slot)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    struct Pipe(std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.send(data.to_vec()).map_err(std::io::Error::other)?;
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn writer() -> (Writer, Receiver<Vec<u8>>) {
        let (sender, written) = channel();
        (Writer::start(Pipe(sender), true, || {}).expect("a thread"), written)
    }

    fn next(written: &Receiver<Vec<u8>>) -> Vec<u8> {
        let burst = written.recv_timeout(Duration::from_secs(5)).expect("a burst");
        burst.strip_suffix(QUESTION).expect("a question at the end").to_vec()
    }

    #[test]
    fn text_overtakes_pictures_and_stale_ones_are_left_out() {
        let (writer, written) = writer();
        let pieces = vec![vec![b'a'; 12_000], vec![b'b'; 12_000], vec![b'c'; 12_000]];
        writer.send(Transmission::new("result", pieces.clone(), false));
        assert_eq!(next(&written)[0], b'a');
        // No answer yet: the second piece has to wait, text does not.
        writer.text(b"text", &[]);
        assert_eq!(next(&written), b"text");
        assert!(written.recv_timeout(Duration::from_millis(50)).is_err());
        writer.text(b"more", &["result"]);
        assert_eq!(next(&written), b"more");
        writer.answered();
        assert!(written.recv_timeout(Duration::from_millis(50)).is_err(), "the rest is left out");
        assert_eq!(writer.delivered(), ["result"]);
        // What has to stay together stays together.
        (0..2).for_each(|_| writer.answered());
        writer.send(Transmission::new("input", pieces, true));
        assert_eq!(next(&written)[0], b'a');
        writer.text(b"", &["input"]);
        writer.answered();
        assert_eq!(next(&written)[0], b'b');
    }

    #[test]
    fn farewells_come_last() {
        let (writer, written) = writer();
        writer.send(Transmission::new("input", vec![vec![b'a'; 20_000], vec![b'b'; 20_000]], true));
        assert_eq!(next(&written)[0], b'a');
        let (writer, last) = std::thread::scope(|scope| {
            let held = scope.spawn(|| writer.hold(b"bye"));
            let last = written.recv_timeout(Duration::from_secs(5)).expect("the farewell");
            writer.answered();
            held.join().expect("it ends once everything is answered");
            (&writer, last)
        });
        assert!(last.starts_with(b"b") && last.ends_with(b"bye"));
        writer.text(b"never", &[]);
        assert!(written.recv_timeout(Duration::from_millis(50)).is_err());
        writer.go_on();
        assert_eq!(next(&written), b"never");
    }
}
