//! Several models on the same photos: how alike their maps are, and on which photos they differ most.

use super::args::{ModelArgs, ReadArgs, WhatArgs, WhereArgs};
use super::resolve;
use super::runner::RunOutcome;
use crate::engine::{JobSpec, Photo, Snapshot, Source};
use crate::error::{Error, Result};
use crate::imaging::{Area, HeatMap, Picture, decode, montage, read_bytes, write_json, write_png};
use crate::model::{BUILT_IN, Prediction, read};
use crate::techniques::rank_correlation;
use crate::tui::printable;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Pixels of the raster on which maps are compared, along the photo's longer side.
const RASTER: f64 = 256.0;
/// The models' pictures of a photo side by side.
const SIDE_BY_SIDE: &str = "models.png";
/// What the comparison found.
pub(super) const SUMMARY: &str = "models.json";
/// Characters of a model's name at most, where it is a folder's.
const LONGEST: usize = 60;
/// What stands for a run where pictures are put side by side: the first that it has.
const SHOWN: [&str; 3] = ["overlay.png", "result.png", "perturbation.png"];

impl ModelArgs {
    /// The same for each model that is named, if there are several. What is said of models from outside goes to those among them.
    ///
    /// # Errors
    /// If one is named twice, or weights are given and it is not clear for which.
    pub(super) fn each(&self) -> Result<Vec<Self>> {
        let mut seen = HashSet::new();
        if let Some(twice) = self.names.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::bad_value("--model", twice, "it is named twice"));
        }
        if self.names.len() < 2 {
            return Ok(vec![self.clone()]);
        }
        if let Some(weights) = &self.weights {
            let reason = "it is not clear which of the models they are for; name one model";
            return Err(Error::bad_value("--weights", weights.display(), reason));
        }
        let built_in = |name: &String| BUILT_IN.iter().any(|entry| entry.id == *name);
        let files = !self.names.iter().all(built_in);
        let one = |name: &String| {
            let reading = if files && built_in(name) { ReadArgs::default() } else { self.reading.clone() };
            Self { names: vec![name.clone()], weights: None, reading }
        };
        Ok(self.names.iter().map(one).collect())
    }

    /// The model that is named, if one is.
    ///
    /// # Errors
    /// If there are several.
    pub(super) fn one(&self) -> Result<Option<String>> {
        match self.names.as_slice() {
            [] => Ok(None),
            [name] => Ok(Some(name.clone())),
            [_, second, ..] => {
                let reason = "one model is enough here; `run`, `compare`, `score` and `classify` take several";
                Err(Error::bad_value("--model", second, reason))
            }
        }
    }
}

impl WhatArgs {
    /// The same for each model that is named.
    ///
    /// # Errors
    /// Those of [`ModelArgs::each`].
    pub(super) fn each_model(&self) -> Result<Vec<Self>> {
        let models = self.how.model.each()?.into_iter();
        Ok(models.map(|model| Self { how: self.how.with_model(model), ..self.clone() }).collect())
    }
}

/// What the models are called in tables and folders: short, and each differently.
pub(super) fn names(models: &[ModelArgs]) -> Vec<String> {
    // Files of the comparison itself lie beside the folders.
    let mut taken: HashSet<String> = [SIDE_BY_SIDE, SUMMARY].map(str::to_owned).into();
    let places: Vec<&str> = models.iter().map(|model| model.names.first().map_or("model", String::as_str)).collect();
    let short: Vec<String> = places.iter().map(|place| read::called(place)).collect();
    let whole: Vec<&str> = places.iter().map(|place| place.rsplit('/').next().unwrap_or(place)).collect();
    // What the endings tell apart keeps them: net.onnx and net.pth; else the folders: monday-best and tuesday-best.
    let within: Vec<String> = places
        .iter()
        .zip(&short)
        .map(|(place, name)| {
            let folder = Path::new(place).parent().and_then(Path::file_name);
            folder.map_or_else(|| name.clone(), |folder| format!("{}-{name}", folder.to_string_lossy()))
        })
        .collect();
    let named = (0..places.len()).map(|i| {
        let alone = |names: &[String]| names.iter().filter(|other| **other == names[i]).count() == 1;
        let apart = whole.iter().filter(|other| **other == whole[i]).count() == 1;
        match () {
            () if alone(&short) => short[i].clone(),
            () if apart => whole[i].to_owned(),
            () if alone(&within) => within[i].clone(),
            () => short[i].clone(),
        }
    });
    let safe = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    named
        .map(|name| {
            let name: String = name.chars().map(safe).take(LONGEST).collect();
            let name = if name.starts_with('.') { format!("_{name}") } else { name };
            let numbered = (2..).map(|n| format!("{name}-{n}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
            free.unwrap_or(name)
        })
        .collect()
}

/// Jobs and the folders of their files.
type Jobs = Vec<(JobSpec, PathBuf)>;

/// The jobs of each model as one list, and what compares them if there are several models. That each model can do what is
/// asked is checked before anything is computed.
///
/// # Errors
/// If one cannot.
pub(super) fn joined(models: &[ModelArgs], jobs: Vec<Jobs>, on: &WhereArgs) -> Result<(Jobs, Option<AcrossModels>)> {
    if models.len() < 2 {
        return Ok((jobs.into_iter().flatten().collect(), None));
    }
    resolve::computing(on)?;
    jobs.iter().try_for_each(|jobs| resolve::check_beginning(jobs))?;
    let names = names(models);
    Ok((interleaved(&names, jobs), Some(AcrossModels::new(names))))
}

/// Photo by photo, and of each photo model by model, in folders of their own.
fn interleaved(names: &[String], jobs: Vec<Jobs>) -> Jobs {
    let photos = jobs.first().map_or(0, Vec::len);
    let mut jobs: Vec<_> = jobs.into_iter().map(Vec::into_iter).collect();
    let mut all = vec![];
    for _ in 0..photos {
        for (name, jobs) in names.iter().zip(&mut jobs) {
            all.extend(jobs.next().map(|(job, folder)| (job, folder.join(name))));
        }
    }
    all
}

/// What the models made of the photos.
#[derive(Serialize)]
pub(super) struct AcrossModels {
    models: Vec<String>,
    /// Those on which the models differ most come first.
    photos: Vec<OnPhoto>,
    #[serde(skip)]
    present: Vec<ModelAnswer>,
}

/// What they made of one photo.
#[derive(Serialize)]
struct OnPhoto {
    image: Option<String>,
    /// Mean of the rank correlations of every two models' maps, over what both of them see; none where there are no maps.
    rank_correlation: Option<f64>,
    /// Of each pair, by the models' order.
    pairs: Vec<Vec<Option<f64>>>,
    answers: Vec<ModelAnswer>,
}

/// What one of them made of it.
#[derive(Serialize)]
struct ModelAnswer {
    model: String,
    /// None where nothing was written.
    folder: Option<String>,
    top: Option<Prediction>,
    success: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    maps: BTreeMap<String, HeatMap>,
    #[serde(skip)]
    photo: Option<Photo>,
    #[serde(skip)]
    path: PathBuf,
    /// What was written there.
    #[serde(skip)]
    files: Vec<String>,
}

impl AcrossModels {
    pub fn new(models: Vec<String>) -> Self {
        Self { models, photos: vec![], present: vec![] }
    }

    /// The model whose job is next.
    pub fn next(&self) -> &str {
        &self.models[self.present.len()]
    }

    /// What there is of each model in a list of one thing a job.
    pub fn by_model<'a, T>(&'a self, all: &'a [T]) -> impl Iterator<Item = (&'a str, Vec<&'a T>)> {
        let count = self.models.len();
        let of = move |i: usize| all.iter().skip(i).step_by(count).collect();
        self.models.iter().enumerate().map(move |(i, model)| (model.as_str(), of(i)))
    }

    /// Takes the next job of the list up: when the last model's is there, the photo is compared.
    ///
    /// # Errors
    /// If the pictures side by side cannot be written.
    pub fn add(&mut self, image: Option<&str>, folder: &Path, outcome: &RunOutcome) -> Result<()> {
        let snapshot = &outcome.snapshot;
        let failed = outcome.failure.is_some();
        let manifest = outcome.manifest.as_ref();
        self.present.push(ModelAnswer {
            model: self.next().to_owned(),
            folder: None,
            top: manifest.and_then(|run| run.top5_before.first().cloned()),
            success: manifest.map(|run| run.success),
            error: outcome.failure.clone(),
            maps: if failed { BTreeMap::new() } else { maps(snapshot) },
            photo: snapshot.photo.clone(),
            path: folder.to_owned(),
            files: outcome.files.clone(),
        });
        if self.present.len() < self.models.len() {
            return Ok(());
        }
        let answers = std::mem::take(&mut self.present);
        let pictures: Vec<Picture> =
            answers.iter().filter(|a| a.error.is_none()).filter_map(ModelAnswer::picture).collect();
        if let Some(parent) = folder.parent().filter(|_| pictures.len() > 1) {
            write_png(&parent.join(SIDE_BY_SIDE), &montage(&pictures))?;
        }
        let pairs: Vec<Vec<Option<f64>>> =
            answers.iter().map(|a| answers.iter().map(|b| alike(a, b)).collect()).collect();
        let above = pairs.iter().enumerate().flat_map(|(i, row)| row.iter().skip(i + 1).flatten().copied());
        let rank_correlation = mean(above);
        // What has been compared is not needed any more.
        let answers = answers.into_iter().map(|a| ModelAnswer { maps: BTreeMap::new(), photo: None, ..a }).collect();
        self.photos.push(OnPhoto { image: image.map(str::to_owned), rank_correlation, pairs, answers });
        Ok(())
    }

    /// Writes `models.json`, the photos on which the models differ most first, and says it in a table.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(&mut self, folder: &Path, quiet: bool) -> Result<()> {
        for answer in self.photos.iter_mut().flat_map(|photo| &mut photo.answers) {
            // Where it lies beside this file, and not where this person's files are.
            let place = answer.path.strip_prefix(folder).unwrap_or(&answer.path).display().to_string();
            answer.folder = answer.path.is_dir().then_some(place);
        }
        let apart = |photo: &OnPhoto| photo.rank_correlation.unwrap_or(f64::MAX);
        self.photos.sort_by(|a, b| apart(a).total_cmp(&apart(b)));
        write_json(&folder.join(SUMMARY), &*self)?;
        if !quiet {
            self.print();
        }
        Ok(())
    }

    fn print(&self) {
        let width = self.photos.iter().filter_map(|photo| photo.image.as_ref()).map(|name| name.chars().count());
        let width = width.max().unwrap_or(0).clamp(5, 40);
        note!("{:<width$}  rank correlation  {}", "photo", self.models.join(" · "));
        for photo in &self.photos {
            let name = printable(photo.image.as_deref().unwrap_or("–"));
            let alike = photo.rank_correlation.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
            let answers: Vec<String> = photo.answers.iter().map(ModelAnswer::in_words).collect();
            note!("{name:<width$}  {alike:>16}  {}", answers.join(" · "));
        }
    }
}

impl ModelAnswer {
    /// The picture that stands for the run, of those that it has written: others may lie beside them.
    fn picture(&self) -> Option<Picture> {
        let name = SHOWN.iter().find(|name| self.files.iter().any(|file| file == *name))?;
        let path = self.path.join(name);
        decode(&path, &read_bytes(&path).ok()?).ok()
    }

    fn in_words(&self) -> String {
        match (&self.error, &self.top) {
            (Some(_), _) => "failed".to_owned(),
            (None, Some(top)) => printable(&format!("{} {:.1} %", top.label, f64::from(top.probability) * 100.0)),
            (None, None) => "done".to_owned(),
        }
    }
}

/// A run's maps by their titles.
fn maps(snapshot: &Snapshot) -> BTreeMap<String, HeatMap> {
    let one = snapshot.view.heat.iter().map(|heat| (String::new(), heat.clone()));
    one.chain(snapshot.view.panels.iter().map(|panel| (panel.title.clone(), panel.heat.clone()))).collect()
}

/// The mean rank correlation of two models' maps of the same title, over the part of the photo that both see.
fn alike(a: &ModelAnswer, b: &ModelAnswer) -> Option<f64> {
    let (ours, theirs) = (seen(a)?, seen(b)?);
    let (left, top) = (ours.x.max(theirs.x), ours.y.max(theirs.y));
    let right = (ours.x + ours.width).min(theirs.x + theirs.width);
    let bottom = (ours.y + ours.height).min(theirs.y + theirs.height);
    let both = Area { x: left, y: top, width: right - left, height: bottom - top };
    let (columns, rows) = (both.columns(RASTER as u32), both.rows(RASTER as u32));
    if columns.is_empty() || rows.is_empty() {
        return None;
    }
    // A map that is the same everywhere has no order that another's could be like.
    let pairs = a.maps.iter().filter_map(|(title, ours)| Some((ours, b.maps.get(title)?)));
    let pairs = pairs.filter(|(ours, theirs)| !ours.is_flat() && !theirs.is_flat());
    mean(pairs.filter_map(|(our_map, their_map)| {
        let laid = |map: &HeatMap, area: Area| map.laid_over(area, columns.clone(), rows.clone());
        rank_correlation(&laid(our_map, ours), &laid(their_map, theirs))
    }))
}

/// What a model sees of the photo, on the raster.
fn seen(answer: &ModelAnswer) -> Option<Area> {
    let photo = answer.photo.as_ref()?;
    let longer = photo.size[0].max(photo.size[1]).max(1);
    Some(photo.seen.scaled(RASTER / f64::from(longer)))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// How differently two models see a photo, 0 to 1: of classes that exclude each other half of what their probabilities
/// differ by, label by label (total variation); of others what the label differs by that differs most. Models that have no
/// label in common cannot be held against each other.
pub(super) fn difference(a: &[Prediction], b: &[Prediction], exclusive: bool) -> Option<f64> {
    let labels: HashSet<&str> = a.iter().map(|p| p.label.as_str()).collect();
    if !b.iter().any(|p| labels.contains(p.label.as_str())) {
        return None;
    }
    let mut by_label: BTreeMap<&str, f64> = BTreeMap::new();
    a.iter().for_each(|p| *by_label.entry(&p.label).or_default() += f64::from(p.probability));
    b.iter().for_each(|p| *by_label.entry(&p.label).or_default() -= f64::from(p.probability));
    let differences = by_label.values().map(|difference| difference.abs());
    Some(if exclusive { differences.sum::<f64>() / 2.0 } else { differences.fold(0.0, f64::max) })
}

/// The photo of a job, as it is called in lists.
pub(super) fn photo_of(job: &JobSpec) -> Option<String> {
    job.picture.as_ref().map(Source::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(names: &[&str]) -> ModelArgs {
        ModelArgs { names: names.iter().map(|n| (*n).to_owned()).collect(), ..ModelArgs::default() }
    }

    #[test]
    fn every_model_has_a_folder_of_its_own() {
        let each = model(&["a/best.onnx", "b/best.onnx", "hf:timm/x", "best-2"]).each().expect("four");
        assert_eq!(names(&each), ["a-best", "b-best", "hf_timm_x", "best-2"]);
        let each = model(&["runs/a/best.onnx", "others/a/best.onnx"]).each().expect("two");
        assert_eq!(names(&each), ["best", "best-2"]);
        let each = model(&["a/net.onnx", "a/net.pth", "net"]).each().expect("three");
        assert_eq!(names(&each), ["net.onnx", "net.pth", "net"]);
        let own = [model(&["./models.png"]), model(&[&"x".repeat(300)])];
        assert_eq!(names(&own), ["models.png-2".to_owned(), "x".repeat(60)]);
        assert!(model(&["a", "a"]).each().is_err());
        assert!(model(&["a", "b"]).one().is_err());
    }

    #[test]
    fn probabilities_that_agree_do_not_differ() {
        let p = |label: &str, probability| Prediction { index: 0, label: label.into(), probability, logit: 0.0 };
        let of = |a: &[Prediction], b: &[Prediction], exclusive| difference(a, b, exclusive).expect("common labels");
        assert!(of(&[p("cat", 0.7), p("dog", 0.3)], &[p("dog", 0.3), p("cat", 0.7)], true).abs() < 1e-7);
        assert!((of(&[p("cat", 0.6)], &[p("cat", 0.2), p("dog", 0.4)], true) - 0.4).abs() < 1e-7);
        assert!((of(&[p("yes", 0.9), p("no", 0.8)], &[p("yes", 0.2), p("no", 0.9)], false) - 0.7).abs() < 1e-7);
        assert_eq!(difference(&[p("cat", 1.0)], &[p("kitten", 1.0)], true), None);
    }

    #[test]
    fn maps_are_compared_where_both_models_see() {
        let photo = |seen| Some(Photo { picture: Picture::new(1, 1, vec![0; 3]), size: [200, 100], seen });
        let answer = |heat: HeatMap, seen| ModelAnswer {
            model: String::new(),
            folder: None,
            top: None,
            success: None,
            error: None,
            maps: BTreeMap::from([(String::new(), heat)]),
            photo: photo(seen),
            path: PathBuf::new(),
            files: vec![],
        };
        let ramp = |count: u32, from: f32, step: f32| {
            HeatMap::new(count, 1, (0..count).map(|i| from + step * i as f32).collect())
        };
        // The same slope over the whole photo and over its right half: alike where both are.
        let whole = answer(ramp(20, 0.0, 1.0), Area::whole(200, 100));
        let half = answer(ramp(10, 10.0, 1.0), Area { x: 100.0, y: 0.0, width: 100.0, height: 100.0 });
        assert!(alike(&whole, &half).expect("a figure") > 0.999);
        let apart = answer(ramp(10, 0.0, 1.0), Area { x: 0.0, y: 0.0, width: 50.0, height: 100.0 });
        assert_eq!(alike(&apart, &half), None);
        let flat = answer(ramp(20, 1.0, 0.0), Area::whole(200, 100));
        assert_eq!(alike(&whole, &flat), None);
    }
}
