//! `gradlens run --from run.json`: the same run again.

use super::across_models::SUMMARY;
use crate::engine::{InputRecord, JobSpec, Origin, OutputRecord, RunManifest, RunStatus, Source};
use crate::error::{Error, Result};
use crate::imaging::{names_a_picture, samples};
use crate::model::read::{is_file, is_path, read_labels, sha256, weight_file};
use crate::model::{Output, sha256_hex};
use std::path::{Path, PathBuf};

/// What an earlier run asked for, with its changes on the way, to be ended at the step it was saved at; and the device
/// and threads it was computed with.
pub(super) struct Replay {
    pub job: JobSpec,
    pub device: String,
    pub threads: usize,
}

/// Bytes of a manifest at most.
const LONGEST: u64 = 64 << 20;

/// Reads a manifest and finds its pictures and its model again: where they were, beside the manifest, or in the present
/// folder; the model also at `given`, its labels at `labels`, pictures among `pictures` or in folders of these.
pub(super) fn replay(
    path: &Path,
    given: Option<&str>,
    labels: Option<&Path>,
    pictures: &[PathBuf],
) -> Result<Replay> {
    let unusable = |reason: String| Error::bad_value("--from", path.display(), reason);
    let inside = path.join("run.json");
    let summary = path.join(SUMMARY);
    let path = match path {
        folder if folder.is_dir() && !inside.exists() && summary.exists() => summary.as_path(),
        folder if folder.is_dir() => inside.as_path(),
        file => file,
    };
    let about = std::fs::metadata(path).map_err(|e| unusable(format!("it cannot be read: {e}")))?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(unusable(format!("it takes the run.json of a run, a file of at most {} MB", LONGEST >> 20)));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unusable(format!("it cannot be read: {e}")))?;
    let manifest: RunManifest = serde_json::from_str(&text).map_err(|e| {
        let summary = path.file_name().is_some_and(|name| name == SUMMARY);
        let one = "it is of several models; give one of its runs, a folder beside it";
        unusable(if summary { one.to_owned() } else { format!("it takes the run.json of a run; {e}") })
    })?;
    let Origin { mut job, inputs, changes, network, .. } = manifest.origin;
    job.changes = changes;
    // One that failed is to fail again, and not to end where it did as if it were done.
    job.until = (manifest.status != RunStatus::Failed).then_some(manifest.steps);
    let mut used = vec![];
    let mut records: Vec<&InputRecord> = inputs.iter().collect();
    for (role, source) in job.pictures() {
        // Of what the technique had no use for there is no record. Several may have one name: they are in order.
        let is = |record: &&InputRecord| record.role == role && record.file == source.name();
        let Some(at) = records.iter().position(is) else { continue };
        let record = records.remove(at);
        *source = found(source, path, pictures, &record.sha256)?;
        used.push(source.clone());
    }
    for given in pictures.iter().filter(|given| !given.is_dir() && !used.contains(&Source::File((*given).clone()))) {
        let unreadable =
            |e| Error::bad_image(given, format!("it is no picture of that run, nor can it be read: {e}"));
        std::fs::File::open(given).map_err(unreadable)?;
        let own = sha256(given).unwrap_or_default();
        if inputs.iter().all(|record| record.sha256 != own) {
            return Err(Error::bad_image(given, "it is none of that run's pictures: its checksum is another"));
        }
    }
    if let Some(given) = given.filter(|_| job.weights.is_some() || !job.model.as_deref().is_some_and(is_path)) {
        let reason = "the run was made with a model of the catalogue's; leave --model out";
        return Err(Error::bad_value("--model", given, reason));
    }
    let model = |file: &Path| {
        if let Some(given) = given {
            let same = sha256(&weight_file(given)?)? == manifest.weights_sha256;
            let reason = "it is not the model of that run: its checksum differs";
            return if same { Ok(given.into()) } else { Err(Error::bad_model(given, reason)) };
        }
        find_again(file, path, &[], &has_checksum(&manifest.weights_sha256)).map_err(|missing| match missing {
            Missing::Gone => Error::bad_model(
                file,
                "the run was made with it, and it is neither there nor beside the run.json; put it there, or say where it is with --model",
            ),
            Missing::Differs => {
                Error::bad_model(file, "it is not the model of that run any more: its checksum differs")
            }
        })
    };
    if let Some(weights) = &mut job.weights {
        *weights = model(weights)?;
    } else if let Some(name) = job.model.as_mut().filter(|name| is_path(name)) {
        let found = model(Path::new(name.as_str()))?;
        // A bare name is taken for a model of the catalogue's.
        *name = if is_file(&found.to_string_lossy()) { found } else { Path::new(".").join(found) }
            .to_string_lossy()
            .into_owned();
    }
    let output = network.and_then(|network| network.output);
    match (&mut job.reading.labels, labels) {
        (Some(file), labels) => *file = labels_again(file, path, labels, output.as_ref())?,
        (None, Some(labels)) => {
            let reason = "the run had its labels from elsewhere; leave it out";
            return Err(Error::bad_value("--labels", labels.display(), reason));
        }
        (None, None) => {}
    }
    Ok(Replay { job, device: manifest.machine.device, threads: manifest.machine.threads })
}

/// The file of labels that the run was made with: the one that is given, or found like a picture.
fn labels_again(
    file: &Path,
    manifest: &Path,
    given: Option<&Path>,
    output: Option<&OutputRecord>,
) -> Result<PathBuf> {
    let is = |candidate: &Path| {
        let Some(output) = output else { return candidate.is_file().then_some(true) };
        let labels = read_labels(candidate, output.scores, output.classes).ok()?;
        Some(OutputRecord::from(&Output { scores: output.scores, labels }) == *output)
    };
    let other = "these are not the labels of that run";
    if let Some(given) = given {
        let same = is(given).unwrap_or(false);
        return if same { Ok(given.to_owned()) } else { Err(Error::bad_value("--labels", given.display(), other)) };
    }
    find_again(file, manifest, &[], &is).map_err(|missing| {
        let reason = match missing {
            Missing::Differs => "these are not the labels of that run any more",
            Missing::Gone => {
                "the run was made with it, and it is neither there nor beside the run.json; put it there, or say where it is with --labels"
            }
        };
        Error::bad_value("--labels", file.display(), reason)
    })
}

/// Whether a file, or a model's folder, has this checksum; `None` if it cannot be read.
fn has_checksum(expected: &str) -> impl Fn(&Path) -> Option<bool> {
    move |path| Some(weight_file(&path.to_string_lossy()).and_then(|file| sha256(&file)).ok()? == expected)
}

/// The picture with this checksum.
fn found(source: &Source, manifest: &Path, given: &[PathBuf], sha256: &str) -> Result<Source> {
    let Source::File(path) = source else {
        return match source {
            Source::Sample(name) if samples::find(name).is_some_and(|s| sha256_hex(s.bytes) == sha256) => {
                Ok(source.clone())
            }
            _ => Err(Error::bad_image(source.name(), "this version of gradlens has another sample of that name")),
        };
    };
    find_again(path, manifest, given, &|file| Some(crate::model::read::sha256(file).ok()? == sha256)).map(Source::File).map_err(|missing| {
        let reason = match missing {
            Missing::Differs => "it is not the picture of that run any more: its checksum differs",
            Missing::Gone => {
                "the run was made with it, and it is neither there nor beside the run.json nor among what was given; put it there, or give it as IMAGE"
            }
        };
        Error::bad_image(path, reason)
    })
}

/// The picture files in a folder, what is called `name` first: each that is tried is read whole.
fn pictures_in(folder: &Path, name: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut pictures: Vec<PathBuf> = entries.filter(|path| names_a_picture(path)).collect();
    pictures.sort_by_key(|path| (path.file_name() != Some(name.as_os_str()), path.clone()));
    pictures
}

/// Why a file of an earlier run is not found again.
enum Missing {
    /// There is no such file.
    Gone,
    /// There is one, and it is another.
    Differs,
}

/// A file, or a model's folder, among those that are given, where it was, beside the manifest, or in the present folder;
/// `is` says whether one is meant, or nothing where it cannot be read.
fn find_again(
    path: &Path,
    manifest: &Path,
    given: &[PathBuf],
    is: &dyn Fn(&Path) -> Option<bool>,
) -> std::result::Result<PathBuf, Missing> {
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    let folder = manifest.parent().unwrap_or_else(|| Path::new(""));
    let (beside, from_there) = (folder.join(&name), folder.join(path));
    let mut missing = Missing::Gone;
    // What is given may be any of the run's files, under another name, too.
    let mut candidates =
        given.iter().flat_map(|given| if given.is_dir() { pictures_in(given, &name) } else { vec![given.clone()] });
    if let Some(found) = candidates.find(|path| is(path) == Some(true)) {
        return Ok(found);
    }
    for candidate in [path.to_owned(), from_there, beside, name] {
        let Some(same) = is(&candidate) else { continue };
        if same {
            return Ok(candidate);
        }
        missing = Missing::Differs;
    }
    Err(missing)
}
