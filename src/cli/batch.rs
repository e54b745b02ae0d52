//! Many photos in one go.

use super::across_models::{self, AcrossModels, photo_of};
use super::args::HowArgs;
use super::exit;
use super::output;
use super::resolve;
use super::runner::Runner;
use super::service;
use crate::engine::host::{Watchers, open_door};
use crate::engine::{Delivery, Engine, JobSpec, Options, RunManifest, Source};
use crate::error::{Error, Result};
use crate::imaging::{Display, names_a_picture, write_json};
use crate::techniques::{Group, TECHNIQUES, find};
use crate::tui::printable;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What was found over all photos.
const SUMMARY: &str = "summary.json";

/// The photos that were named, folders replaced by the pictures in them, in the order of their names.
pub(super) fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = vec![];
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let listing = std::fs::read_dir(path).map_err(|e| Error::bad_image(path, e))?;
        let is_picture = |file: &PathBuf| {
            let hidden = file.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
            !hidden && file.is_file() && names_a_picture(file)
        };
        let mut found: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).filter(is_picture).collect();
        if found.is_empty() {
            return Err(Error::bad_image(path, "this folder holds no picture files"));
        }
        found.sort();
        all.append(&mut found);
    }
    Ok(all)
}

/// Whether each picture gets a folder of its own: where there may be several of them.
pub(super) fn several(paths: &[PathBuf]) -> bool {
    paths.len() > 1 || paths.first().is_some_and(|p| p.is_dir())
}

/// One job a picture; of several each has a folder named after it.
pub(super) fn jobs(pictures: &[PathBuf], job: &JobSpec, several: bool, out: &Path) -> Vec<(JobSpec, PathBuf)> {
    // Files of the whole batch lie beside the folders.
    let mut taken: HashSet<String> = [SUMMARY, across_models::SUMMARY].map(str::to_owned).into();
    pictures
        .iter()
        .map(|picture| {
            let stem = picture.file_stem().map_or_else(|| "picture".into(), |s| s.to_string_lossy().into_owned());
            // `..` of a photo called `...jpg` is another folder.
            let stem = if stem.chars().all(|c| c == '.') { format!("_{stem}") } else { stem };
            let mut name = stem.clone();
            let mut n = 2;
            while !taken.insert(name.clone()) {
                name = format!("{stem}-{n}");
                n += 1;
            }
            let job = JobSpec { picture: Some(Source::File(picture.clone())), ..job.clone() };
            (job, if several { out.join(name) } else { out.to_owned() })
        })
        .collect()
}

/// A folder that cannot be written is found out before anything is computed.
pub(super) fn check_folder(folder: &Path) -> Result<()> {
    let failed = |source| Error::Output { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    tempfile::Builder::new().prefix(".gradlens-").tempfile_in(folder).map_err(failed)?;
    Ok(())
}

/// From here on a terminal that goes away takes nothing with it: what would be said to it is said to nobody.
pub(super) fn outlive_the_terminal() -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    use tokio::signal::unix::{SignalKind, signal};
    output::go_on_unread();
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Ok(nothing) = std::fs::File::options().read(true).write(true).open("/dev/null") {
                for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
                    // SAFETY: both are open; the standard streams belong to the whole program.
                    unsafe { libc::dup2(nothing.as_raw_fd(), stream) };
                }
            }
        }
    });
    Ok(())
}

/// Jobs to be run and saved one after the other.
pub(super) struct Batch<'a> {
    pub jobs: Vec<(JobSpec, PathBuf)>,
    pub several: bool,
    /// Where each photo goes through several models.
    pub across: Option<AcrossModels>,
    pub out: &'a Path,
    pub how: &'a HowArgs,
    pub display: Display,
    pub record: bool,
    pub json: bool,
    /// Whether `out` is to last.
    pub deliver: bool,
    /// Whether runs are kept from their beginning on.
    pub early: bool,
}

/// What `--json` prints of one job: `run.json`, or why there is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Run(Box<RunManifest>),
    Failed { image: Option<String>, status: &'static str, error: Option<String> },
}

/// How a network stood an attack on many photos.
#[derive(Serialize)]
struct RobustnessTotals {
    technique: String,
    /// Photos that were attacked.
    photos: usize,
    /// Photos that the network took for what they show before the attack.
    recognised: usize,
    /// Photos that it still took for that after it.
    robust: usize,
    clean_accuracy: f64,
    robust_accuracy: f64,
    /// Mean L2 norm of the changes that fooled.
    mean_l2: Option<f64>,
}

impl RobustnessTotals {
    /// Of the reports of an attack; `None` if it was none.
    fn of(reports: &[&Report]) -> Option<Self> {
        let runs: Vec<&RunManifest> = reports
            .iter()
            .copied()
            .filter_map(|report| match report {
                Report::Run(run) => Some(&**run),
                Report::Failed { .. } => None,
            })
            .collect();
        let technique = find(TECHNIQUES, &runs.first()?.technique).ok()?;
        if technique.group() != Group::Adversarial {
            return None;
        }
        let source = |run: &RunManifest| run.figures.get("source")?.get("index")?.as_u64();
        let recognised = |run: &&&RunManifest| {
            source(run).is_some_and(|class| run.top5_before.first().map(|p| p.index as u64) == Some(class))
        };
        let known = runs.iter().filter(recognised);
        let robust = known.clone().filter(|run| !run.success).count();
        let lengths =
            known.clone().filter(|run| run.success).filter_map(|run| run.figures.get("norms")?.get("l2")?.as_f64());
        let lengths: Vec<f64> = lengths.collect();
        let share = |count: usize| count as f64 / runs.len() as f64;
        Some(Self {
            technique: technique.id().to_owned(),
            photos: runs.len(),
            recognised: known.clone().count(),
            robust,
            clean_accuracy: share(known.count()),
            robust_accuracy: share(robust),
            mean_l2: (!lengths.is_empty()).then(|| lengths.iter().sum::<f64>() / lengths.len() as f64),
        })
    }
}

impl std::fmt::Display for RobustnessTotals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { technique, photos, robust, clean_accuracy, robust_accuracy, mean_l2, .. } = self;
        let (clean, robustly) = (clean_accuracy * 100.0, robust_accuracy * 100.0);
        let length = mean_l2.map_or_else(String::new, |l2| format!(", mean L2 of those that fooled {l2:.3}"));
        write!(f, "{technique}: robust accuracy {robustly:.1} % ({robust} of {photos}), clean {clean:.1} %{length}")
    }
}

impl Batch<'_> {
    /// Runs the jobs; one that fails does not stop the others.
    pub fn run(mut self) -> anyhow::Result<u8> {
        let made_here = !self.out.exists();
        check_folder(self.out)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            outlive_the_terminal()?;
            let sockets = service::sockets_folder();
            let keeping = Some(service::keeping(self.early));
            let engine = Arc::new(Engine::start(Options { keeping, ..resolve::options(&self.how.on) })?);
            let door = open_door(&sockets, &engine, &Arc::new(Watchers::default()))
                .inspect_err(|error| tracing::warn!(%error, "nobody can attach"));
            let mut runner = Runner::new(&engine, self.json, self.display.clone(), self.record);
            let began = Instant::now();
            let mut reports = vec![];
            let mut failed = 0;
            let mut code = exit::DONE;
            for (job, folder) in self.jobs {
                let name = photo_of(&job);
                let (display, record) = (self.display.clone(), self.record);
                let delivery = self.deliver.then(|| Delivery { folder: folder.clone(), display, record });
                let job = JobSpec { delivery, ..job };
                let outcome = runner.one(job, Some(&folder)).await?;
                if let Some(message) = &outcome.failure {
                    let model = self.across.as_ref().map(AcrossModels::next);
                    let whose: Vec<&str> =
                        name.as_deref().filter(|_| self.several).into_iter().chain(model).collect();
                    say_failure((!whose.is_empty()).then(|| whose.join(" · ")).as_deref(), message);
                }
                if let Some(across) = &mut self.across {
                    across.add(name.as_deref(), &folder, &outcome)?;
                }
                reports.push(match outcome.manifest {
                    Some(manifest) => Report::Run(manifest),
                    None => Report::Failed { image: name, status: "failed", error: outcome.failure },
                });
                if outcome.code == exit::INTERRUPTED {
                    code = outcome.code;
                    break;
                }
                failed += usize::from(outcome.code != exit::DONE);
                code = match (code, outcome.code) {
                    (code, exit::DONE) => code,
                    (_, failed) if !self.several && self.across.is_none() => failed,
                    _ => exit::FAILED,
                };
            }
            drop(door);
            engine.end().await;
            if self.several && !self.json {
                say_throughput(reports.len(), failed, began, self.across.is_some());
            }
            let summary = self.out.join(SUMMARY);
            if let (true, Some(across)) = (self.several, &self.across) {
                let each = across.by_model(&reports);
                let found: BTreeMap<&str, RobustnessTotals> =
                    each.filter_map(|(model, reports)| Some((model, RobustnessTotals::of(&reports)?))).collect();
                if !found.is_empty() {
                    write_json(&summary, &found)?;
                }
                found.iter().filter(|_| !self.json).for_each(|(model, of)| note!("{model}: {of}"));
            } else if let Some(found) =
                self.several.then(|| RobustnessTotals::of(&reports.iter().collect::<Vec<_>>())).flatten()
            {
                write_json(&summary, &found)?;
                if !self.json {
                    note!("{found}");
                }
            }
            if let Some(across) = &mut self.across {
                across.finish(self.out, self.json)?;
            }
            if self.json {
                match reports.as_slice() {
                    _ if self.across.is_some() => {
                        output::json(&serde_json::json!({ "runs": reports, "across": self.across }))?;
                    }
                    [report] if !self.several => output::json(report)?,
                    reports => output::json(&reports)?,
                }
            }
            if made_here && code != exit::DONE {
                // Only an empty folder can be removed like this: what a run has written stays.
                let _ = std::fs::remove_dir(self.out);
            }
            Ok(code)
        })
    }
}

/// One sentence about a job that failed.
pub(super) fn say_failure(whose: Option<&str>, message: &str) {
    let whose = whose.map(|n| format!("{n}: ")).unwrap_or_default();
    note!("gradlens: {}{}", printable(&whose), printable(message));
}

fn say_throughput(count: usize, failed: usize, began: Instant, of_models: bool) {
    let what = if of_models { "runs" } else { "pictures" };
    let seconds = began.elapsed().as_secs_f64();
    let rate = count as f64 / seconds.max(1e-9);
    let failures = if failed > 0 { format!("; {failed} failed") } else { String::new() };
    note!("{count} {what} in {seconds:.1} s, {rate:.2} a second{failures}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_have_folders_of_their_own_inside_the_outs() {
        let names = ["...jpg", "a/hen.jpg", "b/hen.png", "models.json.jpg", "summary.json.png", "..png"];
        let folders: Vec<String> = jobs(&names.map(PathBuf::from), &JobSpec::default(), true, Path::new("o"))
            .into_iter()
            .map(|(_, folder)| folder.display().to_string())
            .collect();
        assert_eq!(folders, ["o/_..", "o/hen", "o/hen-2", "o/models.json-2", "o/summary.json-2", "o/_."]);
    }
}
