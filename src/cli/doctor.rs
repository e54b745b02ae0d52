//! `gradlens doctor`: what the terminal can show.

use super::args::DoctorArgs;
use super::dashboard::forced;
use super::exit;
use crate::error::Error;
use crate::tui::{self, printable};
use std::io::IsTerminal;

/// Prints what was found out about the terminal, why pictures are drawn as they are, and a test card.
pub(super) fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let reason = "the terminal is asked what it can do; run it in the one the dashboard is for";
        return Err(Error::bad_value("standard output", "not a terminal", reason).into());
    }
    let examined = tui::examine(forced(&args.screen))?;
    for (name, value) in examined.findings() {
        say!("{name:18} {}", printable(&value));
    }
    examined.show_card()?;
    Ok(exit::DONE)
}
