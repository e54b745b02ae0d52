//! `gradlens` without a subcommand.

use super::args::{DashboardArgs, ProtocolArg, ScreenArgs, WhereArgs};
use super::exit;
use super::logging;
use super::resolve;
use super::service;
use super::way::Way;
use crate::engine::{Engine, JobSpec, Source, remote};
use crate::error::Error;
use crate::imaging::samples::{PAINTINGS, PHOTOS};
use crate::imaging::{Display, decode, read_bytes};
use crate::picture::Protocol;
use crate::techniques::TECHNIQUES;
use crate::tui::{self, Begin, RunSummary, SessionEnd, Setup, Theme, printable};
use std::io::IsTerminal;
use std::path::PathBuf;

/// What the dashboard opens on.
pub(super) enum Opening {
    /// A new engine on this machine.
    Here,
    /// A new engine on another one.
    Ssh(Way),
    /// The engine behind a socket, and the run that goes on there.
    Attach(PathBuf),
    /// A new engine, and the run that is kept in a folder.
    Resume(PathBuf, WhereArgs),
}

/// Opens the dashboard, and says afterwards what ran.
pub(super) fn dashboard(args: &DashboardArgs) -> anyhow::Result<u8> {
    open(args, Opening::Here)
}

/// Opens the dashboard on what was typed.
pub(super) fn open(args: &DashboardArgs, opening: Opening) -> anyhow::Result<u8> {
    let technique = args.technique.as_deref().unwrap_or(TECHNIQUES[0].id());
    let (technique, mut spec) = resolve::job(technique, args.image.as_deref(), &args.what)?;
    if let Opening::Here = &opening {
        // What cannot be shown is said before the screen is taken; only the other machine knows its models.
        resolve::check_model(technique, &spec)?;
        if let Some(image) = &args.image {
            decode(image, &read_bytes(image)?)?;
        }
    }
    spec.picture.get_or_insert_with(|| Source::Sample(PHOTOS[0].name.to_owned()));
    if spec.styles.is_empty() {
        spec.styles.push(Source::Sample(PAINTINGS[0].name.to_owned()));
    }
    let (theme, display) = (Theme::from_environment(args.plain), resolve::display(&args.display)?);
    let bandwidth = bandwidth(&args.screen)?;
    let setup = Setup { spec, begin: Begin::Start, theme, display, bandwidth };
    present(setup, &args.screen, &args.what.how.on, opening)
}

/// Opens the dashboard on a run that there is.
pub(super) fn show(screen: &ScreenArgs, plain: bool, opening: Opening) -> anyhow::Result<u8> {
    let picture = Some(Source::Sample(PHOTOS[0].name.to_owned()));
    let styles = vec![Source::Sample(PAINTINGS[0].name.to_owned())];
    let technique = TECHNIQUES[0].id().to_owned();
    let (begin, how) = match &opening {
        Opening::Resume(folder, how) => (Begin::Restore(folder.clone()), how.clone()),
        _ => (Begin::Watch, WhereArgs { device: None, threads: None }),
    };
    let setup = Setup {
        spec: JobSpec { technique, picture, styles, ..JobSpec::default() },
        begin,
        theme: Theme::from_environment(plain),
        display: Display::default(),
        bandwidth: bandwidth(screen)?,
    };
    present(setup, screen, &how, opening)
}

fn present(setup: Setup, screen: &ScreenArgs, how: &WhereArgs, opening: Opening) -> anyhow::Result<u8> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let reason = "the dashboard needs a terminal; use `gradlens run` in scripts and pipes";
        return Err(Error::bad_value("standard output", "not a terminal", reason).into());
    }
    logging::start();
    // A device that is not there is said before the screen is taken.
    if let (Some(device), Opening::Here | Opening::Resume(..)) = (&how.device, &opening) {
        crate::engine::device(device)?;
    }
    let over_there = if let Opening::Ssh(way) = &opening { Some(way.clone()) } else { None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = runtime.block_on(async {
        // An engine in this process, where there can be no other.
        let mut own = None;
        let link = match opening {
            Opening::Attach(socket) => service::join(&socket, how).await?,
            Opening::Ssh(way) => {
                let connection = way.connect(None)?;
                remote::watch(connection, true, Some(remote::Again::There(way.again()))).await.map_err(|error| {
                    let words = way.last_words();
                    if let Some(answer) = words.strip_prefix("gradlens: ") {
                        return anyhow::anyhow!("{} says: {answer}", way.host());
                    }
                    let words = if words.is_empty() { String::new() } else { format!(" (ssh says: {words})") };
                    anyhow::anyhow!("{error}{words}")
                })?
            }
            Opening::Here | Opening::Resume(..) => match service::start(how) {
                Ok(stream) => service::link(stream, how).await?,
                Err(error) => {
                    tracing::warn!(%error, "no process of its own for the engine");
                    own.insert(Engine::start(resolve::options(how))?).link()
                }
            },
        };
        let ending = tui::run(link, setup, forced(screen)).await;
        if let Some(engine) = &own {
            engine.end().await;
        }
        ending
    })?;
    summarise(&ending, over_there.as_ref());
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
fn summarise(ending: &SessionEnd, over_there: Option<&Way>) {
    const MOST: usize = 8;
    let skipped = ending.runs.len().saturating_sub(MOST);
    if skipped > 0 {
        say!("gradlens: {skipped} earlier runs, then");
    }
    for RunSummary { technique, ended, steps, figures, saved, .. } in &ending.runs[skipped..] {
        let figures: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        let steps = if *steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
        say!("gradlens: {technique} {ended} after {steps}  {}", figures.join("  "));
        if let Some(folder) = saved {
            say!("    {}", printable(&folder.display().to_string()));
        }
    }
    match &ending.left {
        Some(Some(id)) => {
            let again = over_there.map_or_else(|| format!("gradlens attach {id}"), |way| way.attaching(id));
            say!("gradlens: {id} goes on; `{again}` shows it again");
        }
        Some(None) => say!("gradlens: left; `gradlens runs` lists what goes on"),
        None => {}
    }
}
