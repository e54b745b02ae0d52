//! Asking the terminal what it can do: one round trip, and never a wait for one that stays mute.

use super::answers::Answers;
use super::reports::{Splitter, Token};
use super::terminal::{Environment, Protocol, Terminal, through_tmux};
use std::io::Write;
use std::time::{Duration, Instant};

/// How long a terminal may keep silent before it is taken to draw blocks only. What it says later still counts.
const PATIENCE: Duration = Duration::from_millis(150);

/// Asks for one pixel of kitty graphics to be checked and not drawn.
const KITTY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
/// Name and version, the cell in pixels, synchronized output, attributes; the status last, which every terminal answers.
const QUESTIONS: &str = "\x1b[>q\x1b[16t\x1b[?2026$p\x1b[c\x1b[5n";

/// What was found, and what the person typed meanwhile.
pub struct Detected {
    /// The terminal.
    pub terminal: Terminal,
    /// Cuts what comes from here on.
    pub splitter: Splitter,
    /// Keys.
    pub typed: Vec<Token>,
}

/// Asks the terminal what it can do; `forced` overrides the choice. Must be called in raw mode and before anything else
/// reads the keyboard. A mute terminal costs 150 ms.
#[must_use]
pub fn detect(forced: Option<Protocol>) -> Detected {
    let within_tmux = std::env::var_os("TMUX").is_some_and(|v| !v.is_empty());
    let mut environment = Environment::read(if within_tmux { ask_tmux() } else { None });
    let mut answers = Answers::default();
    let mut splitter = Splitter::default();
    let mut typed = vec![];
    let mut questions = through_tmux(environment.tmux, KITTY.as_bytes());
    if environment.tmux > 0 {
        // tmux may not know; what it does not pass on nobody hears.
        questions.extend(through_tmux(environment.tmux, b"\x1b[16t"));
    }
    questions.extend_from_slice(QUESTIONS.as_bytes());
    if let Err(error) = ask(&questions, &mut splitter, &mut answers, &mut typed) {
        tracing::warn!(%error, "asking the terminal");
    }
    if within_tmux && environment.behind_tmux.is_empty() {
        // A tmux that has just been started asks the terminal itself; by now it has been told.
        environment = Environment::read(ask_tmux());
    }
    let terminal = Terminal::new(answers, environment, forced, window_cell());
    tracing::info!(?terminal, "the terminal was asked");
    Detected { terminal, splitter, typed }
}

/// The cell's size by that of the window.
#[must_use]
pub fn window_cell() -> Option<(u16, u16)> {
    let size = crossterm::terminal::window_size().ok()?;
    (size.columns > 0 && size.rows > 0).then(|| (size.width / size.columns, size.height / size.rows))
}

/// Lets sequences through to the terminal that tmux runs in, and asks what terminal that is: its version and its name.
/// A tmux too old for it says no, and shows no pictures.
fn ask_tmux() -> Option<(String, String)> {
    use std::process::{Command, Stdio};
    let mut tmux = Command::new("tmux");
    tmux.args(["set", "-p", "allow-passthrough", "on", ";", "display-message", "-p"]);
    tmux.arg("#{client_termtype}\t#{client_termname}");
    let output = tmux.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (version, name) = text.trim_end().split_once('\t')?;
    Some((version.to_owned(), name.to_owned()))
}

/// Writes the questions and collects answers until the last one or until patience ends.
fn ask(
    questions: &[u8],
    splitter: &mut Splitter,
    answers: &mut Answers,
    typed: &mut Vec<Token>,
) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(questions)?;
    out.flush()?;
    let end = Instant::now() + PATIENCE;
    while !answers.status {
        let left = end.saturating_duration_since(Instant::now());
        let mut bytes = vec![];
        if !super::reader::read_within(left, &mut bytes)? {
            break;
        }
        for token in splitter.push(&bytes) {
            answers.take(&token);
            if matches!(token, Token::Input(_)) {
                typed.push(token);
            }
        }
    }
    Ok(())
}
