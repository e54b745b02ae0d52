//! What `gradlens doctor` finds out about the terminal, outside the dashboard.

use super::terminal_guard;
use crate::imaging::Picture;
use crate::picture::{Protocol, Terminal, detect, drawn_at_cursor};
use ratatui::layout::Size;
use std::io::Write;
use std::time::{Duration, Instant};

/// What was found out about a terminal.
#[derive(Debug)]
pub struct Examination {
    terminal: Terminal,
    took: Duration,
}

/// Asks the terminal what it can do; `forced` overrides the choice of protocol.
///
/// # Errors
/// If the terminal cannot be put in raw mode.
pub fn examine(forced: Option<Protocol>) -> anyhow::Result<Examination> {
    let began = Instant::now();
    let detected = terminal_guard::in_raw_mode(|| detect(forced))?;
    Ok(Examination { terminal: detected.terminal, took: began.elapsed() })
}

impl Examination {
    /// Names and values, for a person.
    #[must_use]
    pub fn findings(&self) -> Vec<(&'static str, String)> {
        let (t, answers, environment) = (&self.terminal, &self.terminal.answers, &self.terminal.environment);
        let yes = |v: bool| if v { "yes".to_owned() } else { "no".to_owned() };
        let or_unknown = |text: &str| if text.is_empty() { "it does not say".to_owned() } else { text.to_owned() };
        let size = answers.sixel_size.map(|(w, h)| format!(", up to {w}×{h} pixels")).unwrap_or_default();
        vec![
            ("terminal", or_unknown(&answers.version)),
            (
                "tmux",
                if environment.tmux == 0 {
                    "no".into()
                } else {
                    format!("{} deep, in {}", environment.tmux, or_unknown(&environment.behind_tmux))
                },
            ),
            ("ssh", yes(environment.ssh)),
            ("kitty graphics", yes(answers.kitty)),
            ("sixel", if answers.sixel { format!("yes, {} colours{size}", t.registers) } else { "no".into() }),
            ("iTerm2 images", yes(environment.iterm2)),
            ("colours", if environment.true_color { "24 bits".into() } else { "256".into() }),
            (
                "cell",
                format!("{}×{} pixels{}", t.cell.0, t.cell.1, if answers.cell.is_some() { "" } else { " (a guess)" }),
            ),
            ("whole frames", yes(answers.synchronized)),
            (
                "pace",
                if answers.status {
                    "told by its answers".into()
                } else {
                    "unknown: it answers no status question".into()
                },
            ),
            ("asked and answered", format!("in {:.0} ms", self.took.as_secs_f64() * 1e3)),
            (
                "pictures",
                format!("{}{}", t.protocol, if t.placeholders { ", in placeholder characters" } else { "" }),
            ),
            ("because", t.reason.clone()),
        ]
    }

    /// Draws a test card below: eight bars, a grey ramp, and a fine grid that shows how pixels are scaled.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    pub fn show_card(&self) -> anyhow::Result<()> {
        let cells = Size::new(40, 10);
        let drawn = drawn_at_cursor(&self.terminal, &card(), cells);
        let mut out = std::io::stdout();
        out.write_all(&drawn)?;
        writeln!(out, "eight bars, a ramp from black to white and a grid should stand above, without gaps")?;
        out.flush()?;
        Ok(())
    }
}

/// 320×160 pixels.
fn card() -> Picture {
    let (width, height) = (320u32, 160u32);
    let rgb = (0..width * height).flat_map(|p| {
        let (x, y) = (p % width, p / width);
        match y {
            0..80 => {
                let bar = x / 40;
                [0, 1, 2].map(|channel| if bar >> channel & 1 == 0 { 235 } else { 20 })
            }
            80..120 => [(x * 255 / (width - 1)) as u8; 3],
            _ => [if (x / 4 + y / 4) % 2 == 0 { 255 } else { 0 }; 3],
        }
    });
    Picture::new(width, height, rgb.collect())
}
