//! From what was typed to a job, with every name checked before anything is computed.

use super::args::{DisplayArgs, HowArgs, ModelArgs, WhatArgs, WhereArgs};
use crate::engine::{ClassName, JobSpec, Options, Source, can_begin, computing_threads, device};
use crate::error::{Error, Result};
use crate::imaging::Display;
use crate::model::{self, BUILT_IN, ModelRef, Purpose};
use crate::techniques::{self, Need, TECHNIQUES, Technique, find, spec};
use candle_core::Device;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    let class = |text: &Option<String>| text.as_deref().map(ClassName::from);
    let file = |path: &Path| Source::File(path.to_owned());
    let job = JobSpec {
        technique: technique.id().to_owned(),
        picture: picture.map(file),
        styles: what.style.iter().map(|path| file(path)).collect(),
        mask: what.mask.as_deref().map(file),
        init: what.init.as_deref().map(file),
        class: class(&what.class),
        target: class(&what.target),
        layer: what.layer.clone(),
        set,
        ..computed_with(&what.how)?
    };
    Ok((technique, job))
}

/// An empty job on the model that is asked for.
///
/// # Errors
/// If an option about the model cannot be read.
pub(super) fn computed_with(how: &HowArgs) -> Result<JobSpec> {
    let ModelArgs { weights, reading, .. } = how.model.clone();
    Ok(JobSpec {
        model: how.model.one()?,
        weights,
        reading: reading.options()?,
        seed: how.seed,
        ..JobSpec::default()
    })
}

/// The model that is asked for, or the usual one for that purpose.
pub(super) fn model(args: &ModelArgs, purpose: Purpose) -> Result<ModelRef> {
    let name = match args.one()? {
        Some(name) => name,
        None => model::usual(BUILT_IN, purpose)?.id.to_owned(),
    };
    Ok(ModelRef { name, weights: args.weights.clone(), reading: args.reading.options()? })
}

/// The usual number of threads, if another one is asked for, before anything is computed in this process; and the device.
pub(super) fn computing(on: &WhereArgs) -> Result<Device> {
    on.threads.map_or(Ok(()), |threads| computing_threads(threads.into()))?;
    device(device_name(on))
}

/// The name of the device that is asked for.
fn device_name(on: &WhereArgs) -> &str {
    on.device.as_deref().unwrap_or("cpu")
}

/// Refuses, before anything is read, a model that this machine does not know, and classes that it is known not to have.
pub(super) fn check_model(technique: &dyn Technique, job: &JobSpec) -> Result<()> {
    let usual = model::usual(BUILT_IN, technique.purpose())?.id;
    let model = job.model_ref(|| usual.to_owned());
    let Some(output) = model::known_output(BUILT_IN, &model)? else { return Ok(()) };
    job.clone().classes().try_for_each(|class| class.among(&output.labels).map(drop))
}

/// Refuses jobs that differ in their photos alone if they cannot begin. Of many photos, those that cannot be read cost no
/// more than themselves.
///
/// # Errors
/// What the first would fail with.
pub(super) fn check_beginning(jobs: &[(JobSpec, PathBuf)]) -> Result<()> {
    let mut begins = jobs.iter().map(|(job, _)| can_begin(job.clone()));
    let first = begins.next().unwrap_or(Ok(()));
    if matches!(first, Err(Error::BadImage { .. })) && begins.any(|begins| begins.is_ok()) {
        return Ok(());
    }
    first
}

/// How maps are to be shown.
pub(super) fn display(args: &DisplayArgs) -> Result<Display> {
    let mut display = Display {
        opacity: args.opacity,
        clip: args.clip,
        threshold: args.threshold,
        contour: args.contour,
        crop: args.crop,
        ..Display::default()
    };
    for id in &args.color_map {
        display.set_color_map(id)?;
    }
    display.checked()
}

/// The attribution method called `id`.
pub(super) fn method(id: &str) -> Result<&'static dyn Technique> {
    let technique = find(TECHNIQUES, id)?;
    let reason = "it is no attribution method; `gradlens techniques attribution` lists them";
    techniques::method(technique).ok_or_else(|| Error::bad_value("--technique", id, reason))?;
    Ok(technique)
}

/// How the engine is to compute; it answers to the signals that ask a program to end.
pub(super) fn options(how: &WhereArgs) -> Options {
    let threads = how.threads.map(Into::into);
    Options {
        device: device_name(how).to_owned(),
        threads,
        signals: true,
        saves: super::logging::state_folder().unwrap_or_else(|| "gradlens".into()).join("runs"),
        ..Options::default()
    }
}

/// Options that `technique` has no use for are a mistake worth a word in a script. A layer is not: scripts go through
/// all the attribution methods at one layer, whether they look at it or not.
pub(super) fn refuse_useless(technique: &'static dyn Technique, job: &JobSpec) -> Result<()> {
    let needs = technique.needs();
    let layer_is_refused = techniques::method(technique).is_none();
    let given = [
        ("--class", needs.class, job.class.is_some()),
        ("--target", needs.target, job.target.is_some()),
        ("--style", needs.style, !job.styles.is_empty()),
        ("--mask", needs.mask, job.mask.is_some()),
        ("--init", needs.init, job.init.is_some()),
        ("--layer", needs.layer, job.layer.is_some() && layer_is_refused),
    ];
    match given.iter().find(|(_, need, given)| *given && *need == Need::None) {
        Some((option, ..)) => {
            Err(Error::bad_value(*option, "", format!("{} has no use for it; leave it out", technique.id())))
        }
        None => Ok(()),
    }
}
