//! Models in the cache that Hugging Face's tools keep: `hf:owner/name[@revision]`. Nothing is fetched.
//! Layout: <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use super::onnx::Refusal;
use std::path::{Path, PathBuf};

const PREFIX: &str = "hf:";

/// Whether a name is one of the hub's.
pub fn is_named(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The folder of a model in the cache.
///
/// # Errors
/// A [`Refusal`] if the name is none, or the model is not in the cache, with the command that fetches it.
pub fn locate(name: &str) -> Result<PathBuf, Refusal> {
    let text = name.strip_prefix(PREFIX).unwrap_or(name);
    let (repository, revision) = text.split_once('@').unwrap_or((text, ""));
    let parts: Vec<&str> = repository.split('/').collect();
    let plain = |part: &str| {
        let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        !part.is_empty() && !part.starts_with('.') && !part.contains(odd) && !part.contains("..")
    };
    let revision_is_plain = revision.split('/').all(plain) || revision.is_empty();
    if !matches!(parts.len(), 1 | 2) || !parts.iter().all(|part| plain(part)) || !revision_is_plain {
        return Err(Refusal::new("a name of the hub's is hf:OWNER/NAME or hf:OWNER/NAME@REVISION"));
    }
    let Some(cache) = cache() else {
        return Err(Refusal::new("there is no cache of the hub's, since HOME is not set; set HF_HUB_CACHE"));
    };
    let folder = cache.join(format!("models--{}", parts.join("--")));
    snapshot(&folder, revision).ok_or_else(|| {
        let asked = if revision.is_empty() { String::new() } else { format!(" --revision {revision}") };
        Refusal(format!("it is not in the cache {}; fetch it with: hf download {repository}{asked}", cache.display()))
    })
}

/// Where the hub's tools keep what they fetched.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HF_HUB_CACHE")
        .or_else(|| Some(set("HF_HOME")?.join("hub")))
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("huggingface").join("hub")))
        .or_else(|| Some(set("HOME")?.join(".cache").join("huggingface").join("hub")))
}

/// The files of a revision: of the branch or tag of that name, else of that commit.
fn snapshot(folder: &Path, revision: &str) -> Option<PathBuf> {
    let branch = if revision.is_empty() { "main" } else { revision };
    let commit = std::fs::read_to_string(folder.join("refs").join(branch)).ok();
    let commit = commit.map_or_else(|| revision.to_owned(), |text| text.trim().to_owned());
    let plain = !commit.is_empty() && commit.chars().all(|c| c.is_ascii_alphanumeric());
    Some(folder.join("snapshots").join(commit)).filter(|found| plain && found.is_dir())
}
