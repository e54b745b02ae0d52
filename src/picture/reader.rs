//! What comes in from the terminal, read by a thread of its own: keys for the dashboard, reports for the pictures.

use super::reports::{Splitter, Token};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long a sequence may pause in its middle; after that escape was the escape key.
const PAUSE: Duration = Duration::from_millis(40);
/// How often the reader looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// A thread that reads standard input. It stops reading while it is [held](Self::hold), and ends when it is dropped.
pub struct Reader {
    tokens: UnboundedReceiver<Token>,
    held: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl Reader {
    /// Starts reading; `typed` came before. `answered` is told of every answered status question, from the thread.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(
        mut splitter: Splitter,
        typed: Vec<Token>,
        answered: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, tokens) = unbounded_channel();
        typed.into_iter().for_each(|token| drop(sender.send(token)));
        let (held, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (holding, ending) = (held.clone(), ended.clone());
        std::thread::Builder::new().name("gradlens-keys".into()).spawn(move || {
            while !ending.load(Ordering::Relaxed) {
                if holding.load(Ordering::Relaxed) {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                let mut bytes = vec![];
                let tokens = match read_within(if splitter.is_open() { PAUSE } else { LOOK }, &mut bytes) {
                    Ok(true) => splitter.push(&bytes),
                    Ok(false) => splitter.flush(),
                    // The terminal is gone.
                    Err(_) => return,
                };
                for token in tokens {
                    if token == Token::Ack {
                        answered();
                    }
                    if sender.send(token).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { tokens, held, ended })
    }

    /// The next thing that came in; `None` once the terminal is gone.
    pub async fn next(&mut self) -> Option<Token> {
        self.tokens.recv().await
    }

    /// Stops or goes on reading: while the program is suspended the shell reads.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Reads what is there on standard input within `time`; `false` if nothing came.
///
/// # Errors
/// If the terminal is gone.
#[cfg(unix)]
pub(super) fn read_within(time: Duration, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut wanted = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `wanted` is one valid pollfd for the duration of the call.
    let ready = unsafe { libc::poll(&raw mut wanted, 1, milliseconds) };
    if ready == 0 {
        return Ok(false);
    }
    if ready < 0 {
        let error = std::io::Error::last_os_error();
        return if error.kind() == std::io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
    }
    let mut buffer = [0u8; 4096];
    // Not std's stdin: its buffer would keep keys from the reader of the keyboard.
    // SAFETY: `buffer` is writable for its whole length.
    let count = unsafe { libc::read(libc::STDIN_FILENO, buffer.as_mut_ptr().cast(), buffer.len()) };
    match usize::try_from(count) {
        Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            bytes.extend_from_slice(&buffer[..count]);
            Ok(true)
        }
        Err(_) => {
            let error = std::io::Error::last_os_error();
            let again = matches!(error.kind(), std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock);
            if again { Ok(false) } else { Err(error) }
        }
    }
}

#[cfg(not(unix))]
pub(super) fn read_within(_time: Duration, _bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    Err(std::io::ErrorKind::Unsupported.into())
}
