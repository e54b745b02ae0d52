//! `gradlens` without a subcommand.

use super::args::{DashboardArgs, ProtocolArg, ScreenArgs};
use super::{exit, logging, resolve};
use crate::engine::{Engine, Source};
use crate::error::Error;
use crate::imaging::samples::{PAINTINGS, PHOTOS};
use crate::imaging::{decode, read_bytes};
use crate::picture::Protocol;
use crate::techniques::TECHNIQUES;
use crate::tui::{self, Ending, RunSummary, Setup, Theme, printable};
use std::io::IsTerminal;

/// Opens the dashboard, and says afterwards what ran.
pub(super) fn dashboard(args: &DashboardArgs) -> anyhow::Result<u8> {
    let technique = args.technique.as_deref().unwrap_or(TECHNIQUES[0].id());
    let (_, mut spec) = resolve::job(technique, args.image.as_deref(), &args.what)?;
    if let Some(image) = &args.image {
        // A file that cannot be shown is said before the screen is taken.
        decode(image, &read_bytes(image)?)?;
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let reason = "the dashboard needs a terminal; use `gradlens run` in scripts and pipes";
        return Err(Error::bad_value("standard output", "not a terminal", reason).into());
    }
    logging::start();
    spec.picture.get_or_insert_with(|| Source::Sample(PHOTOS[0].name.to_owned()));
    if spec.styles.is_empty() {
        spec.styles.push(Source::Sample(PAINTINGS[0].name.to_owned()));
    }
    let theme = Theme::from_environment(args.plain);
    let (display, bandwidth) = (resolve::display(&args.display)?, bandwidth(&args.screen)?);
    let setup = Setup { spec, theme, display, bandwidth };
    let forced = forced(&args.screen);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = runtime.block_on(async {
        let engine = Engine::start(resolve::options(&args.what.how))?;
        tui::run(&engine, setup, forced).await
    })?;
    summarise(&ending);
    Ok(if ending.interrupted { exit::INTERRUPTED } else { exit::DONE })
}

/// The protocol that was asked for.
pub(super) fn forced(args: &ScreenArgs) -> Option<Protocol> {
    match args.protocol {
        ProtocolArg::Auto => None,
        ProtocolArg::Kitty => Some(Protocol::Kitty),
        ProtocolArg::Sixel => Some(Protocol::Sixel),
        ProtocolArg::Iterm2 => Some(Protocol::Iterm2),
        ProtocolArg::Halfblocks => Some(Protocol::Halfblocks),
        ProtocolArg::Quadrants => Some(Protocol::Quadrants),
        ProtocolArg::Sextants => Some(Protocol::Sextants),
    }
}

/// Bytes a second to the terminal at most.
fn bandwidth(args: &ScreenArgs) -> Result<Option<f64>, Error> {
    if args.bandwidth == "auto" {
        return Ok(None);
    }
    let kilobytes = args.bandwidth.parse::<f64>().ok().filter(|n| (1.0..=1e6).contains(n));
    let reason = "it takes auto, or kilobytes a second from 1 to 1000000";
    kilobytes.map(|n| Some(n * 1e3)).ok_or_else(|| Error::bad_value("--bandwidth", &args.bandwidth, reason))
}

/// A few lines that stay in the scrollback.
fn summarise(ending: &Ending) {
    const MOST: usize = 8;
    let skipped = ending.runs.len().saturating_sub(MOST);
    if skipped > 0 {
        println!("gradlens: {skipped} earlier runs, then");
    }
    for RunSummary { technique, ended, steps, figures, saved, .. } in &ending.runs[skipped..] {
        let figures: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        let steps = if *steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
        println!("gradlens: {technique} {ended} after {steps}  {}", figures.join("  "));
        if let Some(folder) = saved {
            println!("    {}", printable(&folder.display().to_string()));
        }
    }
}
