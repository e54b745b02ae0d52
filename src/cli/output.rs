//! Everything that subcommands say. One place disarms what comes from outside, and bears it when nobody listens any more.

use super::exit;
use crate::tui::steers;
use serde::Serialize;
use std::fmt::{Arguments, Write as _};
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says a line on standard output: what was asked for.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}

/// Says a line on standard error: how it goes, and what went wrong.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::output::aside(format_args!($($text)*)) };
}

/// Whether the work is worth doing without a reader.
static GOES_ON: AtomicBool = AtomicBool::new(false);
/// What was wrong first with standard output.
static FAILURE: OnceLock<String> = OnceLock::new();

/// From here on a reader that goes away ends nothing: there are files to be made.
pub(super) fn go_on_unread() {
    GOES_ON.store(true, Ordering::Relaxed);
}

pub(in crate::cli) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let Err(error) = writeln!(out, "{}", disarmed(&text.to_string())).and_then(|()| out.flush()) else { return };
    if error.kind() != ErrorKind::BrokenPipe {
        let _ = FAILURE.set(error.to_string());
    } else if !GOES_ON.load(Ordering::Relaxed) {
        // `gradlens labels | head` ends quietly, as other programs do.
        std::process::exit(exit::DONE.into());
    }
}

pub(in crate::cli) fn aside(text: Arguments<'_>) {
    // There is nobody left to be told.
    let _ = writeln!(std::io::stderr().lock(), "{}", disarmed(&text.to_string()));
}

/// Says a value as JSON on standard output.
///
/// # Errors
/// If it cannot be JSON: a map with keys that are no words.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(format_args!("{}", escaped(&serde_json::to_string_pretty(value)?)));
    Ok(())
}

/// The exit code of a command that ended with `code`: what could not be said was not done.
pub(super) fn settled(code: u8) -> u8 {
    match FAILURE.get() {
        Some(reason) if code == exit::DONE => {
            aside(format_args!("gradlens: cannot write to standard output: {reason}"));
            exit::FAILED
        }
        _ => code,
    }
}

/// Lines of text without anything that would steer a terminal.
fn disarmed(text: &str) -> String {
    text.chars().map(|c| if steers(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// JSON that means the same, with what would steer a terminal escaped; in JSON it can only stand in a word.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) && c != '\n' {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_steers_a_terminal() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}b\r\u{7}";
        let plain = |text: &str| text.chars().all(|c| !steers(c));
        assert!(plain(&disarmed(hostile)));
        assert_eq!(disarmed("two\nlines\tand a tab"), "two\nlines\tand a tab");
        let json = escaped(&serde_json::to_string(hostile).expect("JSON"));
        assert!(plain(&json), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), hostile);
    }
}
