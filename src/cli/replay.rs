//! `gradlens run --from run.json`: the same run again.

use crate::engine::{JobSpec, Origin, RunManifest, Source};
use crate::error::{Error, Result};
use crate::imaging::samples;
use crate::model::sha256_hex;
use std::path::{Path, PathBuf};

/// What an earlier run asked for, with its changes on the way, to be ended at the step it was saved at; and the device
/// and threads it was computed with.
pub(super) struct Replay {
    pub job: JobSpec,
    pub device: String,
    pub threads: usize,
}

/// Reads a manifest and finds its pictures again: where they were, beside the manifest, or in the present folder.
pub(super) fn replay(path: &Path) -> Result<Replay> {
    let unusable = |reason: String| Error::bad_value("--from", path.display(), reason);
    let text = std::fs::read_to_string(path).map_err(|e| unusable(format!("it cannot be read: {e}")))?;
    let manifest: RunManifest =
        serde_json::from_str(&text).map_err(|e| unusable(format!("it takes the run.json of a run; {e}")))?;
    let Origin { mut job, inputs, changes, .. } = manifest.origin;
    job.changes = changes;
    job.until = Some(manifest.steps);
    let mut records = inputs.iter();
    let named = [job.picture.as_mut()].into_iter().flatten().chain(&mut job.others).chain(&mut job.styles);
    for source in named.chain(job.mask.as_mut()).chain(job.init.as_mut()) {
        let Some(record) = records.find(|record| record.file == source.name()) else { continue };
        *source = found(source, path, &record.sha256)?;
    }
    if let Some(weights) = &job.weights
        && !weights.exists()
    {
        return Err(Error::bad_weights(weights, "the run was made with it, and it is no longer there"));
    }
    Ok(Replay { job, device: manifest.machine.device, threads: manifest.machine.threads })
}

/// The picture with this checksum.
fn found(source: &Source, manifest: &Path, sha256: &str) -> Result<Source> {
    let Source::File(path) = source else {
        return match samples::find(&source.name().replace(".jpg", "")) {
            Some(sample) if sha256_hex(sample.bytes) == sha256 => Ok(source.clone()),
            _ => Err(Error::bad_image(source.name(), "this version of gradlens has another sample of that name")),
        };
    };
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    let folder = manifest.parent().unwrap_or_else(|| Path::new(""));
    let (beside, from_there) = (folder.join(&name), folder.join(path));
    let mut seen = false;
    for candidate in [path.clone(), from_there, beside, name] {
        if let Ok(bytes) = std::fs::read(&candidate) {
            seen = true;
            if sha256_hex(&bytes) == sha256 {
                return Ok(Source::File(candidate));
            }
        }
    }
    let reason = if seen {
        "it is not the picture of that run any more: its checksum differs"
    } else {
        "the run was made with it, and it is neither there nor beside the run.json; put it there"
    };
    Err(Error::bad_image(path, reason))
}
