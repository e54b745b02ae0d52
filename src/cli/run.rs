//! `gradlens run`: the engine without a dashboard.

use super::args::{HowArgs, ModelArgs, ReadArgs, RunArgs, WhereArgs};
use super::batch::{self, Batch};
use super::exit;
use super::logging;
use super::replay::replay;
use super::resolve;
use super::service;
use crate::engine::{JobSpec, Source};
use crate::error::Error;
use crate::techniques::Need;
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
    if let Some(technique) = &args.technique {
        let (technique, job) = resolve::job(technique, args.images.first().map(PathBuf::as_path), &args.what)?;
        resolve::refuse_useless(technique, &job)?;
        resolve::check_model(technique, &job)?;
        batch::pictures(&args.images)?;
    }
    let out = args.out.as_deref().unwrap_or_else(|| Path::new("."));
    batch::check_folder(out)?;
    let words = std::env::args_os().skip(1).filter(|word| word != "--detach");
    let mut run = Command::new(std::env::current_exe()?);
    run.args(words).arg("--background").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = run.spawn()?;
    println!(
        "gradlens: going on in the background as process {}; files go to {}; `gradlens runs` shows how it does",
        child.id(),
        crate::tui::printable(&out.display().to_string())
    );
    Ok(exit::DONE)
}

fn anew(args: &RunArgs, technique: &str, out: &Path) -> anyhow::Result<u8> {
    let (technique, job) = resolve::job(technique, args.images.first().map(PathBuf::as_path), &args.what)?;
    resolve::refuse_useless(technique, &job)?;
    resolve::check_model(technique, &job)?;
    if technique.needs().picture == Need::None && !args.images.is_empty() {
        let reason = format!("{} starts from nothing; to start from a picture use --init", technique.id());
        return Err(Error::bad_value("IMAGE", args.images[0].display(), reason).into());
    }
    let pictures = batch::pictures(&args.images)?;
    let several = batch::several(&args.images) && !technique.needs().together;
    let jobs = match pictures.as_slice() {
        [] => vec![(job, out.to_owned())],
        [first, others @ ..] if technique.needs().together => {
            let file = |path: &PathBuf| Source::File(path.clone());
            let others = others.iter().map(file).collect();
            vec![(JobSpec { picture: Some(file(first)), others, ..job }, out.to_owned())]
        }
        pictures => batch::jobs(pictures, &JobSpec { picture: None, ..job }, several, out),
    };
    batch(args, jobs, several, out, &args.what.how)
}

/// The same run again, on what it was computed with unless told otherwise.
fn again(args: &RunArgs, from: &Path, out: &Path) -> anyhow::Result<u8> {
    let replay = replay(from)?;
    let given = &args.what.how;
    let how = HowArgs {
        model: ModelArgs { name: None, weights: None, reading: ReadArgs::default() },
        seed: replay.job.seed,
        on: WhereArgs {
            device: given.on.device.clone().or(Some(replay.device)),
            threads: given.on.threads.or_else(|| u16::try_from(replay.threads).ok()),
        },
    };
    batch(args, vec![(replay.job, out.to_owned())], false, out, &how)
}

fn batch(
    args: &RunArgs,
    jobs: Vec<(JobSpec, PathBuf)>,
    several: bool,
    out: &Path,
    how: &HowArgs,
) -> anyhow::Result<u8> {
    let display = resolve::display(&args.display)?;
    let (deliver, early) = (args.out.is_some(), args.background);
    Batch { jobs, several, out, how, display, record: args.record, json: args.json, deliver, early }.run()
}
