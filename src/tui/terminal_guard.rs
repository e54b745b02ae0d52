//! Taking the terminal and giving it back, whatever happens.

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use std::io::{Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the terminal is ours at the moment; the panic hook asks.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal to write frames to: not by way of the standard output's lock, which a writer that waits for a slow
/// terminal would hold while somebody wants to give the terminal back.
pub(super) fn output() -> std::io::Result<std::fs::File> {
    use std::os::fd::AsFd;
    Ok(std::fs::File::from(stdout().as_fd().try_clone_to_owned()?))
}

/// Does something with keys neither echoed nor held back until the end of the line.
pub(super) fn in_raw_mode<T>(work: impl FnOnce() -> T) -> std::io::Result<T> {
    enable_raw_mode()?;
    let done = work();
    disable_raw_mode()?;
    Ok(done)
}

/// The terminal, taken; dropping it gives it back.
pub(super) struct TerminalGuard(());

impl TerminalGuard {
    /// Takes the terminal: raw mode, alternate screen, no cursor.
    pub fn take() -> std::io::Result<Self> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Self(());
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableMouseCapture, cursor::Hide)?;
        Ok(taken)
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back if it is taken. Errors do not matter: a terminal that is gone needs nothing.
pub(super) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), cursor::Show, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen);
        let _ = stdout().flush();
        let _ = disable_raw_mode();
    }
}

/// Makes a panic of the drawing thread give the terminal back before it is reported. The engine turns panics of
/// its own thread into events, so those are only logged.
pub(super) fn restore_on_panic() {
    let report = std::panic::take_hook();
    let drawing = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == drawing {
            give_back();
            report(info);
        } else {
            tracing::error!(%info, "panic in a background thread");
        }
    }));
}
