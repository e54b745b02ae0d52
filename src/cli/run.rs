//! `gradlens run`: the engine without a dashboard.

use super::across_models::{self, AcrossModels};
use super::args::{HowArgs, ModelArgs, RunArgs, WhatArgs, WhereArgs};
use super::batch::{self, Batch};
use super::exit;
use super::logging;
use super::replay::{Replay, replay};
use super::resolve;
use super::service;
use crate::engine::{JobSpec, Source, can_begin};
use crate::error::{Error, Result};
use crate::techniques::{Need, TECHNIQUES, find};
use std::path::{Path, PathBuf};

pub(super) fn run(args: &RunArgs) -> anyhow::Result<u8> {
    logging::start();
    if args.detach {
        return detach(args);
    }
    if args.background {
        service::stand_alone();
    }
    // What is only printed is still written somewhere first, to be judged as it would be saved.
    let nowhere = tempfile::tempdir()?;
    let out = args.out.as_deref().unwrap_or(nowhere.path());
    match (&args.from, &args.technique) {
        (Some(from), _) => again(args, from, out),
        (None, Some(technique)) => anew(args, technique, out),
        (None, None) => Err(Error::bad_value("TECHNIQUE", "", "give a technique, or --from with a run.json").into()),
    }
}

/// Starts the same run in the background, once it is clear that it can be.
fn detach(args: &RunArgs) -> anyhow::Result<u8> {
    use std::process::{Command, Stdio};
    let out = args.out.as_deref().unwrap_or_else(|| Path::new("."));
    resolve::computing(&args.what.how.on)?;
    if let Some(from) = &args.from {
        can_begin(replayed(args, from)?.job)?;
    } else if let Some(technique) = &args.technique {
        for what in args.what.each_model()? {
            resolve::check_beginning(&jobs(args, technique, &what, out)?)?;
        }
    }
    batch::check_folder(out)?;
    let words = std::env::args_os().skip(1).filter(|word| word != "--detach");
    let mut run = Command::new(std::env::current_exe()?);
    run.args(words).arg("--background").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = run.spawn()?;
    say!(
        "gradlens: going on in the background as process {}; files go to {}; `gradlens runs` shows how it does",
        child.id(),
        crate::tui::printable(&out.display().to_string())
    );
    Ok(exit::DONE)
}

fn anew(args: &RunArgs, technique: &str, out: &Path) -> anyhow::Result<u8> {
    let each = args.what.each_model()?;
    let all = each.iter().map(|what| jobs(args, technique, what, out)).collect::<Result<Vec<_>>>()?;
    let several = batch::several(&args.images) && !find(TECHNIQUES, technique)?.needs().together;
    let models: Vec<ModelArgs> = each.iter().map(|what| what.how.model.clone()).collect();
    let (jobs, across) = across_models::joined(&models, all, &args.what.how.on)?;
    batch(args, jobs, several, across, out, &args.what.how)
}

/// One job a picture on one model, with everything checked that can be before anything is computed.
fn jobs(args: &RunArgs, technique: &str, what: &WhatArgs, out: &Path) -> Result<Vec<(JobSpec, PathBuf)>> {
    let (technique, job) = resolve::job(technique, args.images.first().map(PathBuf::as_path), what)?;
    resolve::refuse_useless(technique, &job)?;
    resolve::check_model(technique, &job)?;
    if technique.needs().picture == Need::None && !args.images.is_empty() {
        let reason = format!("{} starts from nothing; to start from a picture use --init", technique.id());
        return Err(Error::bad_value("IMAGE", args.images[0].display(), reason));
    }
    let pictures = batch::pictures(&args.images)?;
    Ok(match pictures.as_slice() {
        [] => vec![(job, out.to_owned())],
        [first, others @ ..] if technique.needs().together => {
            let file = |path: &PathBuf| Source::File(path.clone());
            let others = others.iter().map(file).collect();
            vec![(JobSpec { picture: Some(file(first)), others, ..job }, out.to_owned())]
        }
        pictures => batch::jobs(pictures, &JobSpec { picture: None, ..job }, batch::several(&args.images), out),
    })
}

/// The pictures that a run is made again with.
///
/// # Errors
/// If a technique is named: the run says which.
fn pictures(args: &RunArgs) -> Result<Vec<PathBuf>> {
    match &args.technique {
        Some(id) if find(TECHNIQUES, id).is_ok() && !Path::new(id).exists() => {
            Err(Error::bad_value("TECHNIQUE", id, "--from says which; leave it out"))
        }
        first => Ok(first.iter().map(PathBuf::from).chain(args.images.iter().cloned()).collect()),
    }
}

/// What is to be made again.
fn replayed(args: &RunArgs, from: &Path) -> anyhow::Result<Replay> {
    let model = &args.what.how.model;
    Ok(replay(from, model.one()?.as_deref(), model.reading.labels.as_deref(), &pictures(args)?)?)
}

/// The same run again, on what it was computed with unless told otherwise.
fn again(args: &RunArgs, from: &Path, out: &Path) -> anyhow::Result<u8> {
    let given = &args.what.how;
    let replay = replayed(args, from)?;
    let how = HowArgs {
        model: ModelArgs::default(),
        seed: replay.job.seed,
        on: WhereArgs {
            device: given.on.device.clone().or(Some(replay.device)),
            threads: given.on.threads.or_else(|| u16::try_from(replay.threads).ok()),
        },
    };
    batch(args, vec![(replay.job, out.to_owned())], false, None, out, &how)
}

fn batch(
    args: &RunArgs,
    jobs: Vec<(JobSpec, PathBuf)>,
    several: bool,
    across: Option<AcrossModels>,
    out: &Path,
    how: &HowArgs,
) -> anyhow::Result<u8> {
    let display = resolve::display(&args.display)?;
    let (deliver, early) = (args.out.is_some(), args.background);
    Batch { jobs, several, across, out, how, display, record: args.record, json: args.json, deliver, early }.run()
}
