//! The whole program in a pseudo-terminal that answers as some terminal would.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::cell::Cell;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const SIZE: PtySize = PtySize { rows: 40, cols: 130, pixel_width: 1300, pixel_height: 800 };
/// How long anything may take on a machine with other work to do.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Session {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    output: Arc<Mutex<Vec<u8>>>,
    screen: Arc<Mutex<vt100::Parser>>,
    keyboard: Arc<Mutex<Box<dyn Write + Send>>>,
    reader: std::thread::JoinHandle<()>,
    pub state: Arc<tempfile::TempDir>,
}

impl Session {
    /// Starts the program in a terminal whose answers are `graphics` for the queries of its protocol.
    pub fn start(kind: Kind, args: &[&str]) -> Self {
        Self::with(kind, args, Arc::new(tempfile::tempdir().expect("a folder")), &[])
    }

    /// The same with a state folder that others use too, and more environment.
    pub fn with(kind: Kind, args: &[&str], state: Arc<tempfile::TempDir>, env: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(SIZE).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_gradlens"));
        command.args(args);
        command.cwd(super::root());
        for name in ["TMUX", "TERM_PROGRAM", "LC_TERMINAL", "WEZTERM_EXECUTABLE", "KONSOLE_VERSION", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("XDG_STATE_HOME", state.path());
        command.env_remove("XDG_RUNTIME_DIR");
        env.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let output = Arc::new(Mutex::new(vec![]));
        let keyboard = Arc::new(Mutex::new(pair.master.take_writer().expect("a keyboard")));
        let mut from = pair.master.try_clone_reader().expect("a screen");
        let cells = |n: u16| NonZeroU16::new(n).expect("not zero");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(SIZE.rows), cells(SIZE.cols), 0)));
        let (seen, drawn, answers) = (output.clone(), screen.clone(), keyboard.clone());
        let reader = std::thread::spawn(move || {
            let mut buffer = [0u8; 16384];
            let mut asked = vec![];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                seen.lock().expect("unpoisoned").extend_from_slice(&buffer[..n]);
                drawn.lock().expect("unpoisoned").process(&buffer[..n]);
                asked.extend_from_slice(&buffer[..n]);
                // Every question is answered, in the order they were asked.
                let known = kind.answers();
                let next = |asked: &[u8]| {
                    let found = known.iter().filter_map(|(q, a)| Some((find(asked, q.as_bytes())?, *q, *a)));
                    found.min_by_key(|(at, _, _)| *at)
                };
                while let Some((at, query, answer)) = next(&asked) {
                    asked.drain(..at + query.len());
                    let mut keyboard = answers.lock().expect("unpoisoned");
                    let _ = keyboard.write_all(answer.as_bytes()).and_then(|()| keyboard.flush());
                }
                // Queries are short; what lies further back has been looked at.
                let keep = asked.len().min(64);
                asked.drain(..asked.len() - keep);
            }
        });
        Self { child, master: pair.master, output, screen, keyboard, reader, state }
    }

    pub fn press(&self, keys: &str) {
        let mut keyboard = self.keyboard.lock().expect("unpoisoned");
        keyboard.write_all(keys.as_bytes()).and_then(|()| keyboard.flush()).expect("pressed");
    }

    /// What the program has written so far.
    pub fn output(&self) -> Vec<u8> {
        self.output.lock().expect("unpoisoned").clone()
    }

    /// Bytes of it.
    pub fn written(&self) -> usize {
        self.output.lock().expect("unpoisoned").len()
    }

    pub fn screen(&self) -> vt100::Screen {
        self.screen.lock().expect("unpoisoned").screen().clone()
    }

    /// Waits for the screen to be as it should.
    pub fn wait_for(&self, what: &str, seen: impl Fn(&str) -> bool) {
        self.wait(what, |session| seen(&session.screen().contents()));
    }

    /// Waits for a run that goes on to have made so many updates; how many there are by then.
    pub fn wait_for_step(&self, least: usize) -> usize {
        let step = Cell::new(None);
        self.wait_for(&format!("step {least} of a run that goes on"), |screen| {
            step.set(running_at(screen));
            step.get() >= Some(least)
        });
        step.get().expect("seen")
    }

    /// Waits until what was written so far is as it should be.
    pub fn wait_for_output(&self, what: &str, seen: impl Fn(&[u8]) -> bool) {
        self.wait(what, |session| seen(&session.output()));
    }

    pub fn wait(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is(self) {
            assert!(start.elapsed() < PATIENCE, "never saw {what}:\n{}", self.screen().contents());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the end; its exit code and all that was written.
    pub fn end(mut self) -> (u32, Vec<u8>) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("the program does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        // The terminal hangs up behind its last words.
        while !self.reader.is_finished() {
            assert!(start.elapsed() < PATIENCE, "somebody else holds the terminal");
            std::thread::sleep(Duration::from_millis(10));
        }
        (status.exit_code(), self.output())
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Kitty,
    Sixel,
    Plain,
    /// Answers nothing at all.
    Mute,
}

impl Kind {
    fn answers(self) -> Vec<(&'static str, &'static str)> {
        if matches!(self, Self::Mute) {
            return vec![];
        }
        let attributes = if matches!(self, Self::Sixel) { "\x1b[?62;4;22c" } else { "\x1b[?62;22c" };
        let mut answers = vec![("\x1b[c", attributes), ("\x1b[16t", "\x1b[6;20;10t"), ("\x1b[5n", "\x1b[0n")];
        if matches!(self, Self::Kitty) {
            answers.insert(0, ("a=q", "\x1b_Gi=31;OK\x1b\\"));
        }
        answers
    }
}

/// Updates that a run has made which goes on, as the first line says; none before it runs, while it is held and after it.
fn running_at(screen: &str) -> Option<usize> {
    screen.split("▶ step ").nth(1)?.split('/').next()?.parse().ok()
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// The strings between `start` and the string terminator.
pub fn strings<'a>(output: &'a [u8], start: &'a [u8]) -> Vec<&'a [u8]> {
    let mut rest = output;
    let mut found = vec![];
    while let Some(at) = find(rest, start) {
        let body = &rest[at + start.len()..];
        let Some(end) = find(body, b"\x1b\\") else { break };
        found.push(&body[..end]);
        rest = &body[end + 2..];
    }
    found
}
