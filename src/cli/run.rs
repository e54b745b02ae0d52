//! `gradlens run`: the engine without a dashboard.

use super::args::RunArgs;
use super::{exit, logging, resolve};
use crate::engine::{Command, Engine, Event, FailureKind, JobSpec, Link, Phase, RunManifest, Snapshot, Update};
use crate::error::{Error, Result};
use crate::techniques::Need;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a line of progress is printed where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub(super) fn run(args: &RunArgs) -> anyhow::Result<u8> {
    logging::start();
    let (technique, job) = resolve::job(&args.technique, args.images.first().map(PathBuf::as_path), &args.what)?;
    resolve::refuse_useless(technique, &job)?;
    let needs_picture = technique.needs().picture;
    if needs_picture == Need::None && !args.images.is_empty() {
        let reason = format!("{} starts from nothing; to start from a picture use --init", technique.id());
        return Err(Error::bad_value("IMAGE", args.images[0].display(), reason).into());
    }
    check_folder(&args.out)?;
    let jobs = jobs(args, &job);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::start(resolve::options(&args.what))?;
        let mut runner = Runner { link: engine.link(), quiet: args.json, several: jobs.len() > 1 };
        let mut reports = vec![];
        let mut code = exit::DONE;
        for (job, folder) in jobs {
            let name = job.picture.as_ref().map(crate::engine::Source::name);
            let outcome = runner.one(job, &folder).await?;
            if let Some(message) = &outcome.failure {
                let whose = name.as_ref().filter(|_| runner.several).map(|n| format!("{n}: ")).unwrap_or_default();
                eprintln!("gradlens: {}{}", crate::tui::printable(&whose), crate::tui::printable(message));
            }
            reports.push(match outcome.manifest {
                Some(manifest) => Report::Run(manifest),
                None => Report::Failed { image: name, status: "failed", error: outcome.failure },
            });
            if outcome.code == exit::INTERRUPTED {
                code = outcome.code;
                break;
            }
            code = match (code, outcome.code) {
                (code, exit::DONE) => code,
                (_, failed) if !runner.several => failed,
                _ => exit::FAILED,
            };
        }
        if args.json {
            let text = match reports.as_slice() {
                [report] if !runner.several => serde_json::to_string_pretty(report)?,
                reports => serde_json::to_string_pretty(reports)?,
            };
            println!("{text}");
        }
        Ok(code)
    })
}

/// A folder that cannot be written is found out before anything is computed.
fn check_folder(folder: &Path) -> Result<()> {
    let failed = |source| Error::Output { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    tempfile::Builder::new().prefix(".gradlens-").tempfile_in(folder).map_err(failed)?;
    Ok(())
}

/// One job a photo; several photos get folders of their own, named after them.
fn jobs(args: &RunArgs, job: &JobSpec) -> Vec<(JobSpec, PathBuf)> {
    if args.images.len() < 2 {
        return vec![(job.clone(), args.out.clone())];
    }
    let mut taken = HashSet::new();
    args.images
        .iter()
        .map(|image| {
            let stem = image.file_stem().map_or_else(|| "picture".into(), |s| s.to_string_lossy().into_owned());
            let mut name = stem.clone();
            let mut n = 2;
            while !taken.insert(name.clone()) {
                name = format!("{stem}-{n}");
                n += 1;
            }
            let job = JobSpec { picture: Some(crate::engine::Source::File(image.clone())), ..job.clone() };
            (job, args.out.join(name))
        })
        .collect()
}

struct Runner {
    link: Link,
    quiet: bool,
    several: bool,
}

/// What `--json` prints of one job: `run.json`, or why there is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Run(Box<RunManifest>),
    Failed { image: Option<String>, status: &'static str, error: Option<String> },
}

#[derive(Default)]
struct Outcome {
    code: u8,
    failure: Option<String>,
    manifest: Option<Box<RunManifest>>,
}

impl Runner {
    /// Runs one job to its end and saves it.
    async fn one(&mut self, job: JobSpec, folder: &Path) -> Result<Outcome> {
        let mut progress = Progress::new(&job, self.quiet);
        let mut outcome = Outcome::default();
        let mut interrupted = false;
        self.link.send(Command::Start(Box::new(job)))?;
        loop {
            match self.link.next().await.ok_or(Error::EngineGone)? {
                Update::Snapshot => progress.show(&self.link.snapshot()),
                Update::Event(event) => match *event {
                    Event::Finished { .. } => self.save(folder)?,
                    Event::Stopped { .. } => {
                        self.save(folder)?;
                        interrupted = true;
                    }
                    Event::Interrupted { .. } => {
                        interrupted = true;
                        // Before its first step a run has nothing to stop or save.
                        if self.link.snapshot().phase == Phase::Loading {
                            break;
                        }
                    }
                    Event::Failed { kind, message, step, .. } => {
                        outcome.code = exit::code_of_kind(kind);
                        outcome.failure = Some(message);
                        let has_picture = step > 0 && self.link.snapshot().result.is_some();
                        if kind != FailureKind::Failed || !has_picture {
                            break;
                        }
                        self.save(folder)?;
                    }
                    Event::Saved { manifest, files, .. } => {
                        progress.finish(&self.link.snapshot(), folder, &files);
                        outcome.manifest = Some(manifest);
                        break;
                    }
                    Event::Refused { kind, message } => {
                        outcome.code = exit::code_of_kind(kind);
                        outcome.failure = Some(message);
                        break;
                    }
                    Event::Started { .. } | Event::Paused { .. } | Event::Resumed { .. } | Event::Changed { .. } => {}
                },
            }
        }
        if interrupted {
            outcome.code = exit::INTERRUPTED;
        }
        Ok(outcome)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        self.link.send(Command::Save { folder: folder.to_owned() })
    }
}

/// A bar on a terminal, plain lines elsewhere, nothing when quiet. All of it goes to standard error.
struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
    said: Instant,
    name: String,
}

impl Progress {
    fn new(job: &JobSpec, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let what = job.picture.as_ref().map_or_else(String::new, |p| format!(" {}", p.name()));
        let name = crate::tui::printable(&format!("{}{what}", job.technique));
        let bar = (terminal && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let template = "{prefix} {wide_bar} {pos}/{len}  {msg}  {elapsed} (left {eta})";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(name.clone());
            bar
        });
        Self { bar, lines: !terminal && !quiet, said: Instant::now(), name }
    }

    fn show(&mut self, snapshot: &Snapshot) {
        if let Some(bar) = &self.bar {
            bar.set_length(snapshot.total as u64);
            bar.set_position(snapshot.step as u64);
            bar.set_message(figures(snapshot));
        } else if self.lines && snapshot.phase == Phase::Running && self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            eprintln!("{}: step {}/{}  {}", self.name, snapshot.step, snapshot.total, figures(snapshot));
        }
    }

    fn finish(&self, snapshot: &Snapshot, folder: &Path, files: &[String]) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.bar.is_some() || self.lines {
            let figures = figures(snapshot);
            let figures = if figures.is_empty() { String::new() } else { format!("  {figures}") };
            let steps = if snapshot.step == 1 { "1 step".to_owned() } else { format!("{} steps", snapshot.step) };
            eprintln!("{}: {steps}, {:.0} ms a step{figures}", self.name, snapshot.ms_per_step);
            let folder = crate::tui::printable(&folder.display().to_string());
            eprintln!("    {folder}: {}", files.join(", "));
        }
    }
}

/// The newest value of each curve.
fn figures(snapshot: &Snapshot) -> String {
    let last = |s: &crate::engine::Series| Some(format!("{} {:.4}", s.name, s.points.last()?.1));
    snapshot.series.iter().filter_map(last).collect::<Vec<_>>().join("  ")
}
