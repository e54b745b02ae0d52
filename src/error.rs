//! What can go wrong, in words for the person who runs the program.

use std::path::PathBuf;

/// Result of the library's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the library. Its `Display` is one sentence that names the thing and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no registry knows.
    #[error("there is no {kind}{}{}", called(.name), tail(.hint))]
    Unknown {
        /// What was looked for: technique, model, layer, class, parameter.
        kind: &'static str,
        /// The name as given; may be empty.
        name: String,
        /// What to use instead, or where to look; may be empty.
        hint: String,
    },
    /// A name that fits several things.
    #[error("\"{name}\" fits several classes: {candidates}; give the whole label or its index")]
    Ambiguous {
        /// The name as given.
        name: String,
        /// The things it fits.
        candidates: String,
    },
    /// A parameter's value that cannot be used.
    #[error("{name}{}: {expected}", said(value))]
    BadValue {
        /// The parameter.
        name: String,
        /// The value as given.
        value: String,
        /// What it has to be.
        expected: String,
    },
    /// Something a technique needs and was not given.
    #[error("{technique} needs {what}")]
    Missing {
        /// The technique's id.
        technique: &'static str,
        /// What is missing and how to give it.
        what: &'static str,
    },
    /// A picture that cannot be read.
    #[error("cannot use the picture {}: {reason}", .path.display())]
    BadImage {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A weight file that cannot be read or does not fit the model.
    #[error("cannot use the weights {}: {reason}", .path.display())]
    BadWeights {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A network that does not fit together.
    #[error("cannot build the network: {node}: {reason}")]
    BadGraph {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
    /// An operator that a method cannot pass.
    #[error(
        "{method} has no rule for {operator} in {layer}; use a method that takes any network, such as \
             integrated-gradients"
    )]
    NoRule {
        /// The method.
        method: &'static str,
        /// The operator's kind in words.
        operator: &'static str,
        /// Where it is.
        layer: String,
    },
    /// A model file that cannot be read or is no network that is understood.
    #[error("cannot use the model {}: {reason}", .path.display())]
    BadModel {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A file or folder that cannot be written.
    #[error("cannot write {}: {source}; choose another folder with --out or free some space", .path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A run that cannot be kept on the disk.
    #[error("the run goes on but is not kept in {}: {reason}; free some space there or name another folder in \
             XDG_STATE_HOME", .folder.display())]
    NotKept {
        /// The folder of the runs.
        folder: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A device that is not there.
    #[error("cannot use the device \"{device}\": {reason}")]
    Device {
        /// The device as given.
        device: String,
        /// Why, and what to do.
        reason: String,
    },
    /// An optimisation that left the numbers.
    #[error("{what} at step {step}{}; lower the step size or the weights and run again", kept(*.good))]
    Diverged {
        /// What broke, and how.
        what: String,
        /// The step at which it was seen.
        step: usize,
        /// The step whose picture was the best.
        good: Option<usize>,
    },
    /// More memory than there is.
    #[error("{what} would need about {need_gb:.1} GB of memory and {free_gb:.1} GB are free; {advice}")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// Estimate in 10⁹ bytes.
        need_gb: f64,
        /// Free memory in 10⁹ bytes.
        free_gb: f64,
        /// What to lower.
        advice: String,
    },
    /// A checkpoint that is damaged or of another version.
    #[error("cannot take up the run: {} cannot be used: {reason}", .path.display())]
    BadCheckpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The other end of a connection is not what it should be.
    #[error("the other end of the connection {0}")]
    Peer(String),
    /// The engine ended before it answered.
    #[error("the engine ended unexpectedly; see the log file for its last words")]
    EngineGone,
    /// A computation that candle refused.
    #[error("the computation failed: {}", one_line(.0))]
    Compute(#[from] candle_core::Error),
}

fn called(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" called \"{name}\"") }
}

fn tail(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("; {hint}") }
}

/// Characters of a value that are repeated in a sentence about it.
const LONGEST_VALUE: usize = 300;

/// What was given, where something was.
fn said(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(" cannot be \"{value}\"") }
}

/// Other people's errors may have several lines.
pub(crate) fn one_line(reason: impl std::fmt::Display) -> String {
    without_backtrace(reason).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// candle puts a backtrace under its message where the environment asks for one.
pub(crate) fn without_backtrace(error: impl std::fmt::Display) -> String {
    let mut text = error.to_string();
    text.truncate(text.find("\n   0: ").unwrap_or(text.len()));
    text
}

fn kept(good: Option<usize>) -> String {
    good.map(|step| format!(" (the picture of step {step} is kept)")).unwrap_or_default()
}

impl Error {
    /// An [`Error::Unknown`].
    pub fn unknown(kind: &'static str, name: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unknown { kind, name: name.into(), hint: hint.into() }
    }

    /// An [`Error::BadValue`].
    pub fn bad_value(name: impl Into<String>, value: impl std::fmt::Display, expected: impl Into<String>) -> Self {
        let value = value.to_string();
        let shown: String = value.chars().take(LONGEST_VALUE).collect();
        let value = if shown.len() < value.len() { shown + "…" } else { value };
        Self::BadValue { name: name.into(), value, expected: expected.into() }
    }

    /// An [`Error::BadImage`].
    pub fn bad_image(path: impl Into<PathBuf>, reason: impl std::fmt::Display) -> Self {
        Self::BadImage { path: path.into(), reason: one_line(reason) }
    }

    /// An [`Error::BadWeights`].
    pub fn bad_weights(path: impl Into<PathBuf>, reason: impl std::fmt::Display) -> Self {
        Self::BadWeights { path: path.into(), reason: one_line(reason) }
    }

    /// An [`Error::BadModel`].
    pub fn bad_model(path: impl Into<PathBuf>, reason: impl std::fmt::Display) -> Self {
        Self::BadModel { path: path.into(), reason: one_line(reason) }
    }
}

/// The names closest to `name`, best first, as a sentence's tail: `did you mean "a" or "b"?`.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let name = name.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .into_iter()
        .map(|k| (distance(&name, &k.to_lowercase()), k))
        .filter(|(d, k)| *d <= 2.max(k.len() / 3))
        .collect();
    scored.sort_unstable();
    scored.truncate(3);
    let names: Vec<String> = scored.into_iter().map(|(_, k)| format!("\"{k}\"")).collect();
    if names.is_empty() { String::new() } else { format!("did you mean {}?", names.join(" or ")) }
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close_names() {
        assert_eq!(did_you_mean("gradcan", ["saliency", "gradcam"]), "did you mean \"gradcam\"?");
        assert_eq!(did_you_mean("zzzzzz", ["saliency", "gradcam"]), "");
    }
}
