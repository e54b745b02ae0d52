//! `gradlens resume`: a run that was stopped, or whose process was killed, goes on where it was.

use super::args::ResumeArgs;
use super::batch;
use super::dashboard::{self, Opening};
use super::exit;
use super::logging;
use super::output;
use super::resolve;
use super::runner::Runner;
use super::service;
use crate::engine::host::{Watchers, open_door};
use crate::engine::{Engine, Options, Standing, find_run};
use crate::error::Error;
use crate::imaging::Display;
use std::io::IsTerminal;
use std::sync::Arc;

pub(super) fn resume(args: &ResumeArgs) -> anyhow::Result<u8> {
    logging::start();
    let run = find_run(&service::runs_folder(), args.run.as_deref())?;
    if matches!(run.standing(), Standing::Running | Standing::Paused) {
        let reason = format!("it goes on already; `gradlens attach {}` shows it", run.about.id);
        return Err(Error::bad_value("RUN", &run.about.id, reason).into());
    }
    let Some(out) = args.out.clone().or_else(|| run.about.out.clone()) else {
        if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
            return dashboard::show(&args.screen, false, Opening::Resume(run.path, args.how.clone()));
        }
        let reason = "it has no folder for its files yet; give one with --out";
        return Err(Error::bad_value("RUN", &run.about.id, reason).into());
    };
    batch::check_folder(&out)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        batch::outlive_the_terminal()?;
        let sockets = service::sockets_folder();
        let keeping = Some(service::keeping(false));
        let engine = Arc::new(Engine::start(Options { keeping, ..resolve::options(&args.how) })?);
        let door = open_door(&sockets, &engine, &Arc::new(Watchers::default()));
        let mut runner = Runner::new(&engine, args.json, Display::default(), false);
        let outcome = runner.resumed(&run.path, &out).await?;
        drop(door);
        if let Some(message) = &outcome.failure {
            batch::say_failure(None, message);
        }
        if let Some(manifest) = outcome.manifest.filter(|_| args.json) {
            output::json(&manifest)?;
        }
        engine.end().await;
        Ok(if outcome.failure.is_some() && outcome.code == exit::DONE { exit::FAILED } else { outcome.code })
    })
}
