//! A run's files.

use crate::engine::protocol::{Machine, Origin, Phase, Photo, RunManifest, RunStatus};
use crate::engine::run::Run;
use crate::error::{Error, Result};
use crate::imaging::{
    Array, Display, HeatMap, Picture, framed, montage, write_csv, write_gif, write_json, write_npy, write_png,
};
use crate::model::Prediction;
use crate::techniques::Artefact;
use std::collections::BTreeMap;
use std::path::Path;

/// Pictures of an animation at most.
const RECORDED: usize = 120;

/// What the manifest needs to know beside the run.
pub(in crate::engine) struct Surroundings {
    pub machine: Machine,
    pub top_after: Vec<Prediction>,
}

/// Writes everything the run has into `folder`; `run.json` comes last, so that it vouches for the others.
pub(in crate::engine) fn save(
    run: &Run,
    around: Surroundings,
    folder: &Path,
    display: &Display,
    record: bool,
) -> Result<(Vec<String>, RunManifest)> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Output { path: folder.to_owned(), source })?;
    let mut files = vec![];
    let mut add = |name: &str, write: &dyn Fn(&Path) -> Result<()>| -> Result<()> {
        write(&folder.join(name))?;
        files.push(name.to_owned());
        Ok(())
    };
    if let Some((result, overlay)) = drawn(run, display) {
        if let Some(result) = result {
            add("result.png", &|path| write_png(path, &result))?;
        }
        if let Some(overlay) = overlay {
            add("overlay.png", &|path| write_png(path, &overlay))?;
        }
    }
    for (name, artefact) in run.view.clone().artefacts() {
        let Some(name) = name else { continue };
        match artefact {
            Artefact::Picture(picture) => add(&format!("{name}.png"), &|path| write_png(path, picture))?,
            Artefact::Map(heat) => add(&format!("{name}.npy"), &|path| write_npy(path, &array(heat)))?,
            Artefact::Array(values) => add(&format!("{name}.npy"), &|path| write_npy(path, values))?,
        }
    }
    if !run.course.series.is_empty() {
        let (names, rows) = table(run);
        add("series.csv", &|path| write_csv(path, &names, &rows))?;
    }
    if record && run.history.frames().len() > 1 {
        add("recording.gif", &|path| write_gif(path, &pictures(run)))?;
    }
    let manifest = manifest(run, around, folder);
    add("run.json", &|path| write_json(path, &manifest))?;
    Ok((files, manifest))
}

/// Where a run has maps: they in colours, and they on the photo.
fn drawn(run: &Run, display: &Display) -> Option<(Option<Picture>, Option<Picture>)> {
    let view = &run.view;
    let input = view.input.as_ref();
    let size = |heat: &HeatMap| input.map_or((heat.width, heat.height), |input| (input.width, input.height));
    let colours = |heat: &HeatMap| {
        let (width, height) = size(heat);
        display.map(heat, width, height)
    };
    let photo = run.context.picture.as_ref().filter(|_| view.cropped && !display.crop);
    let over = |heat: &HeatMap, photo: Option<&Picture>| match photo {
        Some(photo) => {
            let area = run.seen([photo.width, photo.height]);
            Some(framed(&display.overlay_at(heat, photo, area), area))
        }
        None => Some(display.overlay(heat, input?)),
    };
    if let Some(heat) = &view.heat {
        return Some((view.result.is_none().then(|| colours(heat)), over(heat, photo)));
    }
    if view.panels.is_empty() {
        return None;
    }
    // Nine photos beside each other need not each be of a camera's size.
    let photo = photo.map(|photo| Photo::new(photo).picture);
    let maps: Vec<Picture> = view.panels.iter().map(|panel| colours(&panel.heat)).collect();
    let overlays: Option<Vec<Picture>> = view.panels.iter().map(|panel| over(&panel.heat, photo.as_ref())).collect();
    Some((Some(montage(&maps)), overlays.map(|overlays| montage(&overlays))))
}

/// The pictures of the run's animation: evenly spread over it, the last one for certain.
fn pictures(run: &Run) -> Vec<Picture> {
    let every = run.history.frames().len().div_ceil(RECORDED).max(1);
    let mut pictures: Vec<Picture> = run.history.frames().step_by(every).map(|f| f.picture.clone()).collect();
    pictures.extend(run.view.result.clone());
    pictures
}

fn array(heat: &HeatMap) -> Array {
    Array { shape: vec![heat.height as usize, heat.width as usize], values: heat.values.clone() }
}

type Rows = Vec<(usize, Vec<Option<f64>>)>;

/// The series by step: one that has no point at a step leaves its column empty.
fn table(run: &Run) -> (Vec<String>, Rows) {
    let names = run.course.series.iter().map(|s| s.name.clone()).collect();
    let mut rows: BTreeMap<usize, Vec<Option<f64>>> = BTreeMap::new();
    for (column, series) in run.course.series.iter().enumerate() {
        for &(step, value) in series.points.iter() {
            rows.entry(step).or_insert_with(|| vec![None; run.course.series.len()])[column] = Some(value);
        }
    }
    (names, rows.into_iter().collect())
}

fn manifest(run: &Run, around: Surroundings, folder: &Path) -> RunManifest {
    let mut figures = run.facts();
    let finished = run.course.phase == Phase::Finished;
    let success = match figures.remove("success") {
        Some(claim) => claim.as_bool().unwrap_or(false),
        None => finished,
    };
    for series in &run.course.series {
        if let Some((_, value)) = series.points.last() {
            figures.entry(format!("final_{}", series.name)).or_insert_with(|| (*value).into());
        }
    }
    RunManifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        technique: run.technique.id().to_owned(),
        status: match run.course.phase {
            Phase::Finished => RunStatus::Finished,
            Phase::Failed => RunStatus::Failed,
            Phase::Stopped => RunStatus::Stopped,
            Phase::Idle | Phase::Loading | Phase::Running | Phase::Paused => RunStatus::Running,
        },
        success,
        model: run.context.model.id().to_owned(),
        weights_sha256: run.context.model.info.provenance.sha256.clone(),
        origin: Origin { job: run.origin.job.clone().without_places(folder), ..run.origin.clone() },
        seed: run.spec.seed,
        machine: around.machine,
        steps: run.course.step,
        wall_seconds: run.wall_seconds(),
        ms_per_step: run.mean_ms(),
        top5_before: run.course.top_before.clone(),
        top5_after: around.top_after,
        failure: run.course.failure.clone(),
        figures,
    }
}
