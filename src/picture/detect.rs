//! Which protocol a terminal speaks, and how large its cells are.
//!
//! The questions and the reading of answers are ratatui-image's; the waiting is ours. Its own picker leaves a thread
//! reading the keyboard when a terminal stays mute, and that thread would swallow every key.

use ratatui_image::picker::ProtocolType;
use ratatui_image::picker::cap_parser::{Parser, QueryStdioOptions, Response};
use std::io::Write;
use std::time::{Duration, Instant};

/// How long a terminal may keep silent before it is taken to draw half-blocks only.
const PATIENCE: Duration = Duration::from_millis(400);
/// The first kitty that knows Unicode placeholders; older ones show them as garbage.
const KITTY_WITH_PLACEHOLDERS: (u32, u32) = (0, 28);
/// Asks for the terminal's name and version.
const XTVERSION: &str = "\x1b[>q";

/// A way to put a picture on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's graphics protocol, with Unicode placeholders.
    Kitty,
    /// DEC sixel graphics.
    Sixel,
    /// iTerm2's inline images.
    Iterm2,
    /// Two coloured pixels a cell: every terminal with colours.
    Halfblocks,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kitty => "kitty",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iterm2",
            Self::Halfblocks => "half-blocks",
        })
    }
}

/// What is known of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The protocol to use.
    pub protocol: Protocol,
    /// Width and height of a cell in pixels.
    pub cell: (u16, u16),
    /// Whether everything goes through tmux.
    pub tmux: bool,
}

impl Terminal {
    /// Asks the terminal what it can do; `forced` overrides the answer. Must be called in raw mode and before
    /// anything else reads the keyboard. A mute terminal costs less than half a second.
    #[must_use]
    pub fn detect(forced: Option<Protocol>) -> Self {
        if forced == Some(Protocol::Halfblocks) {
            return Self::halfblocks();
        }
        let names = Names::from_environment();
        if names.tmux {
            allow_passthrough();
        }
        let options = QueryStdioOptions {
            // Neither draws kitty's placeholders, and both speak iTerm2's protocol.
            blacklist_protocols: if names.imitates_kitty {
                vec![ProtocolType::Kitty, ProtocolType::Sixel]
            } else {
                vec![]
            },
            ..QueryStdioOptions::default()
        };
        let (start, escape, end) = Parser::tmux_start_escape_end(names.tmux);
        let version = format!("{start}{}{end}", XTVERSION.replace('\x1b', escape));
        let answers = ask(&(version + &Parser::query(names.tmux, options))).unwrap_or_default();
        tracing::info!(?answers, ?names, "the terminal was asked");
        let found = choose(&answers, names);
        let cell = answers.cell.or_else(cell_from_window).filter(|&(w, h)| is_sane(w) && is_sane(h));
        Self { protocol: forced.unwrap_or(found), cell: cell.unwrap_or((10, 20)), tmux: names.tmux }
    }

    /// A terminal that only has half-blocks.
    #[must_use]
    pub fn halfblocks() -> Self {
        Self { protocol: Protocol::Halfblocks, cell: (10, 20), tmux: false }
    }

    /// What makes the terminal give up the picture with this id.
    pub(super) fn forget(&self, id: u32) -> String {
        if self.protocol != Protocol::Kitty {
            return String::new();
        }
        let (start, escape, end) = Parser::tmux_start_escape_end(self.tmux);
        format!("{start}{escape}_Ga=d,d=I,i={id},q=2{escape}\\{end}")
    }
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Names {
    tmux: bool,
    imitates_kitty: bool,
    iterm2: bool,
}

impl Names {
    fn from_environment() -> Self {
        let is = |name: &str| std::env::var(name).unwrap_or_default();
        let program = is("TERM_PROGRAM");
        let speaks_iterm2 = ["iTerm", "WezTerm", "mintty", "vscode", "Tabby", "Hyper", "rio", "WarpTerminal"];
        Self {
            tmux: is("TERM").starts_with("tmux") || program == "tmux",
            imitates_kitty: !is("WEZTERM_EXECUTABLE").is_empty() || !is("KONSOLE_VERSION").is_empty(),
            iterm2: speaks_iterm2.iter().any(|name| program.contains(name)) || is("LC_TERMINAL").contains("iTerm"),
        }
    }
}

/// What the terminal said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Answers {
    kitty: bool,
    sixel: bool,
    cell: Option<(u16, u16)>,
    /// Its name and version, as it puts them: `kitty(0.35.2)`.
    version: String,
}

impl Answers {
    /// Reads everything a terminal sent back; whether the last answer is among it.
    fn read(bytes: &[u8]) -> (Self, bool) {
        let mut answers = Self::default();
        let mut complete = false;
        let mut parser = Parser::new();
        for &byte in bytes {
            for response in parser.push(char::from(byte)) {
                match response {
                    Response::Kitty => answers.kitty = true,
                    Response::Sixel => answers.sixel = true,
                    Response::CellSize(cell) => answers.cell = cell,
                    Response::Status => complete = true,
                    _ => {}
                }
            }
        }
        let text = String::from_utf8_lossy(bytes);
        if let Some((_, rest)) = text.split_once("\x1bP>|") {
            answers.version = rest.chars().take_while(|c| !c.is_control()).collect();
        }
        (answers, complete)
    }
}

fn choose(answers: &Answers, names: Names) -> Protocol {
    let old_kitty = kitty_version(&answers.version).is_some_and(|v| v < KITTY_WITH_PLACEHOLDERS);
    if answers.kitty && !old_kitty {
        Protocol::Kitty
    } else if answers.sixel && !names.iterm2 {
        Protocol::Sixel
    } else if names.iterm2 {
        Protocol::Iterm2
    } else {
        Protocol::Halfblocks
    }
}

fn kitty_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("kitty(")?.split(['.', ')']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether a cell may have so many pixels along a side: some terminals make numbers up.
fn is_sane(pixels: u16) -> bool {
    (2..=200).contains(&pixels)
}

fn cell_from_window() -> Option<(u16, u16)> {
    let size = crossterm::terminal::window_size().ok()?;
    (size.columns > 0 && size.rows > 0).then(|| (size.width / size.columns, size.height / size.rows))
}

/// Lets sequences through to the terminal that tmux runs in. A tmux too old for it says no, and shows no pictures.
fn allow_passthrough() {
    use std::process::{Command, Stdio};
    let mut tmux = Command::new("tmux");
    let set = tmux.args(["set", "-p", "allow-passthrough", "on"]);
    let _ = set.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Writes the questions and collects answers until the last one or until patience ends.
fn ask(questions: &str) -> std::io::Result<Answers> {
    let mut out = std::io::stdout();
    out.write_all(questions.as_bytes())?;
    out.flush()?;
    let end = Instant::now() + PATIENCE;
    let mut bytes = vec![];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let read = read_within(left, &mut bytes)?;
        let (answers, complete) = Answers::read(&bytes);
        if complete || !read {
            return Ok(answers);
        }
    }
}

/// Reads what is there on standard input within `time`; `false` if nothing came.
#[cfg(unix)]
fn read_within(time: Duration, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut wanted = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `wanted` is one valid pollfd for the duration of the call.
    let ready = unsafe { libc::poll(&raw mut wanted, 1, milliseconds) };
    if ready <= 0 {
        return Ok(false);
    }
    let mut buffer = [0u8; 512];
    // Not std's stdin: its buffer would keep keys from the reader of the keyboard.
    // SAFETY: `buffer` is writable for its whole length.
    let count = unsafe { libc::read(libc::STDIN_FILENO, buffer.as_mut_ptr().cast(), buffer.len()) };
    match usize::try_from(count) {
        Ok(0) => Ok(false),
        Ok(count) => {
            bytes.extend_from_slice(&buffer[..count]);
            Ok(true)
        }
        Err(_) => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(not(unix))]
fn read_within(_time: Duration, _bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(answers: &str, names: Names) -> Protocol {
        choose(&Answers::read(answers.as_bytes()).0, names)
    }

    #[test]
    fn terminals_are_known_by_their_answers() {
        let kitty = "\x1bP>|kitty(0.35.2)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;c\x1b[6;20;10t\x1b[0n";
        assert_eq!(chosen(kitty, Names::default()), Protocol::Kitty);
        let (answers, complete) = Answers::read(kitty.as_bytes());
        assert_eq!((answers.cell, complete), (Some((10, 20)), true));
        let old = "\x1bP>|kitty(0.26.5)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;c\x1b[6;20;10t\x1b[0n";
        assert_eq!(chosen(old, Names::default()), Protocol::Halfblocks);
        let xterm = "\x1bP>|XTerm(379)\x1b\\\x1b[?62;4;22c\x1b[6;17;8t\x1b[0n";
        assert_eq!(chosen(xterm, Names::default()), Protocol::Sixel);
        let plain = "\x1b[?62;22c\x1b[6;17;8t\x1b[0n";
        assert_eq!(chosen(plain, Names::default()), Protocol::Halfblocks);
        assert_eq!(chosen(plain, Names { iterm2: true, ..Names::default() }), Protocol::Iterm2);
        assert_eq!(chosen("", Names::default()), Protocol::Halfblocks, "a mute terminal");
    }

    #[test]
    fn answers_in_pieces_are_not_complete_before_the_last() {
        let all = "\x1b[?62;4c\x1b[6;20;10t\x1b[0n";
        for cut in 0..all.len() {
            assert!(!Answers::read(&all.as_bytes()[..cut]).1, "{cut}");
        }
        assert!(Answers::read(all.as_bytes()).1);
    }
}
