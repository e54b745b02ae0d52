//! `gradlens score`: attribution methods measured and ranked.

use super::across_models;
use super::args::{HowArgs, ScoreArgs};
use super::batch::{self, check_folder, say_failure};
use super::exit;
use super::logging;
use super::output;
use super::resolve;
use super::runner::{Runner, flat};
use crate::engine::{ClassName, Engine, JobSpec, ScoreSpec, Source, Task};
use crate::error::{Error, Result};
use crate::imaging::Display;
use crate::techniques::evaluation::metric;
use crate::techniques::{figure, spec};
use crate::tui::printable;
use serde::Serialize;
use std::path::PathBuf;

/// A method's scores on one photo, or over all of them.
#[derive(Debug, Clone, Serialize)]
struct Scored {
    technique: String,
    /// Mean of its ranks over the scores that have a better end, if it has any; 1 is best.
    rank: Option<f64>,
    scores: serde_json::Map<String, serde_json::Value>,
    /// Whether its map is the same everywhere: then its scores are no better or worse than others'.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    flat: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What was found on one photo.
#[derive(Debug, Serialize)]
struct ScoredPhoto {
    image: String,
    /// Where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The best first.
    techniques: Vec<Scored>,
}

pub(super) fn score(args: &ScoreArgs) -> anyhow::Result<u8> {
    logging::start();
    let models = args.how.model.each()?;
    let names = across_models::names(&models);
    let jobs: Vec<Vec<JobSpec>> =
        models.into_iter().map(|model| jobs(args, &args.how.with_model(model))).collect::<Result<_>>()?;
    // A name that is not needed to tell models apart is left out.
    let names: Vec<Option<String>> = if jobs.len() > 1 { names.into_iter().map(Some).collect() } else { vec![None] };
    let pictures = batch::pictures(&args.images)?;
    if let Some(out) = &args.out {
        check_folder(out)?;
    }
    let several = batch::several(&args.images);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::start(resolve::options(&args.how.on))?;
        let mut runner = Runner::new(&engine, args.json, Display::default(), false);
        let mut code = exit::DONE;
        let mut all = vec![];
        let photos = folders(&pictures, several, args.out.as_ref());
        let mut questions =
            photos.iter().flat_map(|photo| names.iter().zip(&jobs).map(move |(model, jobs)| (photo, model, jobs)));
        while let Some(((picture, folder), model, jobs)) = questions.next().filter(|_| code != exit::INTERRUPTED) {
            let name = Source::File(picture.clone()).name();
            let mut found = vec![];
            for job in jobs {
                let job = JobSpec { picture: Some(Source::File(picture.clone())), ..job.clone() };
                let technique = job.technique.clone();
                let folder = folder.as_ref().map(|folder| match model {
                    Some(model) => folder.join(model).join(&technique),
                    None => folder.join(&technique),
                });
                let outcome = runner.one(job, folder.as_deref()).await?;
                if outcome.code == exit::INTERRUPTED {
                    code = exit::INTERRUPTED;
                    break;
                }
                if let Some(message) = &outcome.failure {
                    say_failure(Some(&format!("{technique} on {name}")), message);
                    code = if several || names.len() > 1 { exit::FAILED } else { outcome.code };
                }
                let flat = flat(&outcome.snapshot).filter(|_| outcome.failure.is_none());
                if let (Some(sentence), None) = (&flat, &folder) {
                    note!("gradlens: {technique} on {}: {sentence}", printable(&titled(&name, model.as_deref())));
                }
                let scores = outcome.snapshot.view.scores.iter().map(|(name, value)| (name.clone(), (*value).into()));
                let scores = if outcome.failure.is_none() { scores.collect() } else { serde_json::Map::new() };
                found.push(Scored { technique, rank: None, scores, flat: flat.is_some(), error: outcome.failure });
            }
            if code == exit::INTERRUPTED {
                break;
            }
            rank(&mut found);
            if !args.json {
                print(&titled(&name, model.as_deref()), &found);
            }
            all.push(ScoredPhoto { image: name, model: model.clone(), techniques: found });
        }
        let of = |model: &Option<String>| -> Vec<&ScoredPhoto> { all.iter().filter(|s| s.model == *model).collect() };
        let means = names.iter().map(|model| (model.as_deref(), mean(&of(model)))).collect::<Vec<_>>();
        let worth = pictures.len() > 1;
        if args.json {
            let list = match means.as_slice() {
                [(None, mean)] => serde_json::json!({ "images": all, "mean": worth.then_some(mean) }),
                means => {
                    let by_model: serde_json::Map<String, serde_json::Value> = means
                        .iter()
                        .map(|(model, mean)| Ok((model.unwrap_or_default().to_owned(), serde_json::to_value(mean)?)))
                        .collect::<serde_json::Result<_>>()?;
                    serde_json::json!({ "images": all, "mean": worth.then_some(by_model) })
                }
            };
            let list = if several || names.len() > 1 { list } else { serde_json::to_value(all.first())? };
            output::json(&list)?;
        } else if worth {
            means.iter().for_each(|(model, mean)| print(&titled("mean of all pictures", *model), mean));
        }
        Ok(code)
    })
}

/// A table's title: what it is about, and on which model where there are several.
fn titled(what: &str, model: Option<&str>) -> String {
    model.map_or_else(|| what.to_owned(), |model| format!("{what} · {model}"))
}

/// One job a method, without a picture.
fn jobs(args: &ScoreArgs, how: &HowArgs) -> Result<Vec<JobSpec>> {
    for id in &args.metric {
        metric(id)?;
    }
    let target = args.target.as_deref().map(target).transpose()?;
    let class = args.class.as_deref().map(ClassName::from);
    let techniques = args.technique.iter().map(|id| resolve::method(id)).collect::<Result<Vec<_>>>()?;
    let mut jobs = vec![];
    for technique in &techniques {
        let job = JobSpec {
            technique: technique.id().to_owned(),
            class: class.clone(),
            layer: args.layer.clone(),
            task: Task::Score(ScoreSpec { metrics: args.metric.clone(), target }),
            ..resolve::computed_with(how)?
        };
        resolve::check_model(*technique, &job)?;
        jobs.push(job);
    }
    for pair in &args.set {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| Error::bad_value("--set", pair, "it takes name=value"))?;
        let mut taken = Err(Error::bad_value("--set", name, "none of the methods has this parameter"));
        for (job, technique) in jobs.iter_mut().zip(&techniques) {
            if let Ok(spec) = spec(technique.params(), name.trim()) {
                job.set.insert(name.trim().to_owned(), spec.parse(value)?);
                taken = Ok(());
            }
        }
        taken?;
    }
    Ok(jobs)
}

/// `x,y,width,height` in pixels.
fn target(text: &str) -> Result<[f64; 4]> {
    let numbers: Vec<f64> =
        text.split(',').filter_map(|n| n.trim().parse().ok()).filter(|n: &f64| n.is_finite()).collect();
    match <[f64; 4]>::try_from(numbers) {
        Ok([x, y, w, h]) if x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 => Ok([x, y, w, h]),
        _ => Err(Error::bad_value("--box", text, "it takes x,y,width,height in pixels of a box that is not empty")),
    }
}

/// Each picture with the folder its files go to.
fn folders(pictures: &[PathBuf], several: bool, out: Option<&PathBuf>) -> Vec<(PathBuf, Option<PathBuf>)> {
    match out {
        Some(out) => batch::jobs(pictures, &JobSpec::default(), several, out)
            .into_iter()
            .zip(pictures)
            .map(|((_, folder), picture)| (picture.clone(), Some(folder)))
            .collect(),
        None => pictures.iter().map(|picture| (picture.clone(), None)).collect(),
    }
}

fn value(scored: &Scored, name: &str) -> Option<f64> {
    scored.scores.get(name).and_then(serde_json::Value::as_f64)
}

/// The scores that any of the methods has, in the order they are met: one that failed has none.
fn score_names<'a>(found: impl IntoIterator<Item = &'a Scored>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in found.into_iter().flat_map(|scored| scored.scores.keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Gives each method the mean of its ranks and puts the best first; equal scores share their mean rank.
fn rank(found: &mut [Scored]) {
    let names = score_names(&*found);
    let mut ranks = vec![vec![]; found.len()];
    for name in names {
        let Some(more_is_better) = figure(&name).more_is_better else { continue };
        let ranked = |f: &Scored| value(f, &name).filter(|_| !f.flat);
        let goodness: Vec<Option<f64>> =
            found.iter().map(|f| ranked(f).map(|v| if more_is_better { v } else { -v })).collect();
        for (i, own) in goodness.iter().enumerate() {
            let Some(own) = own else { continue };
            let better = goodness.iter().flatten().filter(|other| *other > own).count();
            let same = goodness.iter().flatten().filter(|other| other.total_cmp(own).is_eq()).count();
            ranks[i].push(better as f64 + f64::midpoint(1.0, same as f64));
        }
    }
    for (scored, ranks) in found.iter_mut().zip(ranks) {
        scored.rank = average(&ranks);
    }
    best_first(found);
}

/// A method that failed or points nowhere has no rank and stands last.
fn best_first(found: &mut [Scored]) {
    found.sort_by(|a, b| a.rank.unwrap_or(f64::MAX).total_cmp(&b.rank.unwrap_or(f64::MAX)));
}

fn average(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean of each score and rank over the pictures.
fn mean(all: &[&ScoredPhoto]) -> Vec<Scored> {
    let Some(first) = all.first() else { return vec![] };
    let of = |technique: &str| -> Vec<&Scored> {
        let mine = |s: &&Scored| s.technique == technique && s.error.is_none();
        all.iter().flat_map(|p| &p.techniques).filter(mine).collect()
    };
    let mut means: Vec<Scored> = first
        .techniques
        .iter()
        .map(|scored| {
            let mine = of(&scored.technique);
            let scores = score_names(mine.iter().copied())
                .into_iter()
                .map(|name| {
                    let mean = average(&mine.iter().filter_map(|m| value(m, &name)).collect::<Vec<_>>());
                    (name, mean.into())
                })
                .collect();
            let rank = average(&mine.iter().filter_map(|m| m.rank).collect::<Vec<_>>());
            let flat = !mine.is_empty() && mine.iter().all(|m| m.flat);
            Scored { technique: scored.technique.clone(), rank, scores, flat, error: None }
        })
        .collect();
    best_first(&mut means);
    means
}

/// A table: a row a method, a column a score with an arrow to its better end.
fn print(title: &str, found: &[Scored]) {
    say!("{}", printable(title));
    let names = score_names(found);
    let heads: Vec<String> =
        names.iter().map(|n| format!("{n} {}", figure(n).arrow()).trim_end().to_owned()).collect();
    say!("  {:<21} {:>6}  {}", "technique", "rank ↓", heads.join("  "));
    for scored in found {
        let number = |v: Option<f64>, digits| v.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
        let column = |(name, head): (&String, &String)| {
            format!("  {:>width$}", number(value(scored, name), 4), width = head.chars().count())
        };
        let columns: String = names.iter().zip(&heads).map(column).collect();
        say!("  {:<21} {:>6}{columns}", scored.technique, number(scored.rank, 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_failed_or_points_nowhere_takes_no_rank_from_the_others() {
        let scored = |technique: &str, deletion: Option<f64>| Scored {
            technique: technique.to_owned(),
            rank: None,
            scores: deletion.map(|v| ("deletion_auc".to_owned(), v.into())).into_iter().collect(),
            flat: technique == "flat",
            error: deletion.is_none().then(|| "failed".to_owned()),
        };
        let mut found = vec![
            scored("failed", None),
            scored("flat", Some(0.1)),
            scored("worse", Some(0.5)),
            scored("better", Some(0.25)),
        ];
        rank(&mut found);
        let ranks: Vec<(&str, Option<f64>)> = found.iter().map(|f| (f.technique.as_str(), f.rank)).collect();
        assert_eq!(ranks, [("better", Some(1.0)), ("worse", Some(2.0)), ("failed", None), ("flat", None)]);
    }
}
