//! From what was typed to a job, with every name checked before anything is computed.

use super::args::WhatArgs;
use crate::engine::{JobSpec, Options, Source};
use crate::error::{Error, Result};
use crate::nets::{labels, model};
use crate::techniques::{Need, TECHNIQUES, Technique, find, spec};
use std::collections::BTreeMap;
use std::path::Path;

/// The technique and the job that `what` asks for on `picture`.
pub(super) fn job(
    technique: &str,
    picture: Option<&Path>,
    what: &WhatArgs,
) -> Result<(&'static dyn Technique, JobSpec)> {
    let technique = find(TECHNIQUES, technique)?;
    let mut set = BTreeMap::new();
    for pair in &what.set {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::bad_value("--set", pair, "it takes name=value"));
        };
        let name = name.trim();
        set.insert(name.to_owned(), spec(technique.params(), name)?.parse(value)?);
    }
    if let Some(id) = &what.model {
        model(id)?;
    }
    let class = |text: &Option<String>| text.as_deref().map(labels::find).transpose();
    let file = |path: &Path| Source::File(path.to_owned());
    let job = JobSpec {
        technique: technique.id().to_owned(),
        model: what.model.clone(),
        weights: what.weights.clone(),
        picture: picture.map(file),
        style: what.style.as_deref().map(file),
        init: what.init.as_deref().map(file),
        class: class(&what.class)?,
        target: class(&what.target)?,
        layer: what.layer.clone(),
        set,
        seed: what.seed,
    };
    Ok((technique, job))
}

/// How the engine is to compute; it answers to the signals that ask a program to end.
pub(super) fn options(what: &WhatArgs) -> Options {
    let threads = what.threads.map(Into::into);
    Options { device: what.device.clone(), threads, signals: true, ..Options::default() }
}

/// Options that `technique` has no use for are a mistake worth a word in a script.
pub(super) fn refuse_useless(technique: &dyn Technique, job: &JobSpec) -> Result<()> {
    let needs = technique.needs();
    let given = [
        ("--class", needs.class, job.class.is_some()),
        ("--target", needs.target, job.target.is_some()),
        ("--style", needs.style, job.style.is_some()),
        ("--init", needs.init, job.init.is_some()),
        ("--layer", needs.layer, job.layer.is_some()),
    ];
    match given.iter().find(|(_, need, given)| *given && *need == Need::None) {
        Some((option, ..)) => {
            Err(Error::bad_value(*option, "", format!("{} has no use for it; leave it out", technique.id())))
        }
        None => Ok(()),
    }
}
