//! `gradlens runs`, `attach` and `stop`: runs that go on, with or without a terminal.

use super::args::{AttachArgs, RunsArgs, StopArgs};
use super::dashboard::{self, Opening};
use super::exit;
use super::logging;
use super::output;
use super::service;
use crate::engine::{Command, Event, RunFolder, Standing, Update, runs as all_runs};
use crate::tui::printable;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a run may take to end,
const PATIENCE: Duration = Duration::from_secs(60);
/// and how long its process after it, if no dashboard keeps that.
const LEAVING: Duration = Duration::from_secs(3);

/// Lists the runs, the newest first.
pub(super) fn runs(args: &RunsArgs) -> anyhow::Result<u8> {
    let all = all_runs(&service::runs_folder());
    if args.json {
        let list: Vec<_> = all
            .iter()
            .map(|run| {
                let mut value = serde_json::to_value(&run.about)?;
                value["standing"] = serde_json::to_value(run.standing())?;
                Ok(value)
            })
            .collect::<serde_json::Result<_>>()?;
        output::json(&list)?;
        return Ok(exit::DONE);
    }
    if all.is_empty() {
        note!("gradlens: no runs are kept; one is once it has taken a few seconds");
        return Ok(exit::DONE);
    }
    for RunFolder { about, .. } in &all {
        let run = &about.id;
        let standing = all.iter().find(|r| r.about.id == *run).map_or(Standing::Broken, RunFolder::standing);
        let picture = about.picture.as_deref().map(printable).unwrap_or_default();
        let figures: Vec<String> = about.figures.iter().take(3).map(|(name, v)| format!("{name} {v:.4}")).collect();
        let out =
            about.out.as_ref().map(|p| format!("  {}", printable(&p.display().to_string()))).unwrap_or_default();
        say!(
            "{:28} {standing:8} {:>6}/{:<6} {:>8}  {picture}  {}{out}",
            printable(run),
            about.step,
            about.total,
            ago(about.updated),
            figures.join("  ")
        );
    }
    Ok(exit::DONE)
}

fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    match now.saturating_sub(seconds) {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s @ 7200..172_800 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

/// Shows a run that goes on in a dashboard.
pub(super) fn attach(args: &AttachArgs) -> anyhow::Result<u8> {
    let run = service::going_on(args.run.as_deref())?;
    let socket = service::socket_of(&run)?;
    dashboard::show(&args.screen, args.plain, Opening::Attach(socket))
}

/// Ends a run and keeps what it has.
pub(super) fn stop(args: &StopArgs) -> anyhow::Result<u8> {
    logging::start();
    let run = service::going_on(Some(&args.run))?;
    let socket = service::socket_of(&run)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut link = service::knock(&socket).await?;
        link.send(Command::Stop)?;
        // A run that has a folder for its files has stopped once they are written.
        let (delivers, mut stopped) = (run.about.out.is_some(), None);
        let wait = async {
            while let Some(update) = link.next().await {
                let Update::Event(event) = update else { continue };
                match *event {
                    Event::Stopped { step, .. } | Event::Finished { step, .. } => stopped = Some(step),
                    Event::Saved { .. } if stopped.is_some() => break,
                    _ => {}
                }
                if stopped.is_some() && !delivers {
                    break;
                }
            }
            stopped
        };
        Ok::<_, anyhow::Error>(tokio::time::timeout(PATIENCE, wait).await.ok().flatten())
    })?;
    let id = printable(&run.about.id);
    match ended {
        Some(step) => {
            // Whoever resumes it next finds it free.
            let began = Instant::now();
            while run.is_held() && began.elapsed() < LEAVING {
                std::thread::sleep(Duration::from_millis(10));
            }
            say!("gradlens: {id} stopped at step {step}; `gradlens resume {id}` takes it up again");
            Ok(exit::DONE)
        }
        None => {
            note!(
                "gradlens: {id} was told to stop and has not said that it did; `gradlens runs` shows how it stands"
            );
            Ok(exit::FAILED)
        }
    }
}
