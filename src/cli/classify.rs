//! `gradlens classify`.

use super::across_models;
use super::args::ClassifyArgs;
use super::exit;
use super::output;
use super::resolve;
use crate::engine::FailureKind;
use crate::error::Result;
use crate::imaging::{decode, read_bytes};
use crate::model::{self, BUILT_IN, Model, Output, Prediction, Purpose};
use crate::techniques;
use crate::tui::printable;
use std::path::Path;

/// A model that is asked, and what it is called where there are several.
struct Asked {
    name: Option<String>,
    model: Model,
    output: Output,
}

/// What the models say of one picture.
struct Classification {
    image: String,
    /// By model, the likeliest classes, or why there are none.
    found: Vec<Result<Vec<Prediction>>>,
    /// How differently two models see it at most, 0 to 1; none where one of them failed or has no probabilities.
    difference: Option<f64>,
}

/// Classifies every picture; one that cannot be read does not stop the others.
pub(super) fn classify(args: &ClassifyArgs) -> anyhow::Result<u8> {
    let device = resolve::computing(&args.on)?;
    let each = args.model.each()?;
    let several = each.len() > 1;
    let names = across_models::names(&each).into_iter().map(|name| Some(name).filter(|_| several));
    let (mut asked, mut unusable, mut code) = (vec![], vec![], exit::DONE);
    for (name, which) in names.zip(&each) {
        let opened = resolve::model(which, Purpose::Classes).and_then(|which| model::open(BUILT_IN, &which, &device));
        let (model, output) = match opened.and_then(|model| Ok((model.info.classes()?.clone(), model))) {
            Ok((output, model)) => (model, output),
            // The others can still be asked.
            Err(error) if several => {
                code = code.max(exit::code_of_kind(FailureKind::from(&error)));
                note!("gradlens: {}", printable(&error.to_string()));
                unusable.push(serde_json::json!({ "model": name, "error": error.to_string() }));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(text) = model.info.provenance.assumptions().filter(|_| !args.json) {
            note!("gradlens: {}", printable(&text));
        }
        asked.push(Asked { name, model, output });
    }
    if asked.is_empty() && !args.json {
        return Ok(code);
    }
    let mut answers = vec![];
    for path in &args.images {
        let answer = answer(&asked, path, args.top.into());
        for error in answer.found.iter().filter_map(|found| found.as_ref().err()) {
            code = code.max(exit::code_of_kind(FailureKind::from(error)));
            note!("gradlens: {}", printable(&error.to_string()));
        }
        if !args.json && !several {
            print(&answer, &asked, args.images.len() > 1);
        }
        answers.push(answer);
    }
    if several {
        // Those on which the models differ most come first.
        answers.sort_by(|a, b| b.difference.unwrap_or(-1.0).total_cmp(&a.difference.unwrap_or(-1.0)));
    }
    if args.json {
        let list: Vec<_> = answers.iter().map(|answer| as_json(answer, &asked, &unusable)).collect();
        output::json(&list)?;
    } else if several {
        answers.iter().for_each(|answer| print(answer, &asked, true));
    }
    Ok(code)
}

fn answer(asked: &[Asked], path: &Path, count: usize) -> Classification {
    // All classes, since a difference is one of all of them.
    let all: Vec<_> = asked.iter().map(|one| top_classes(&one.model, path, one.output.count())).collect();
    let pairs = all.iter().enumerate().flat_map(|(i, a)| all.iter().skip(i + 1).map(move |b| (a, b)));
    let exclusive = asked.iter().all(|one| one.output.has_probabilities() && !one.output.is_independent());
    let differences = pairs.map(|(a, b)| across_models::difference(a.as_ref().ok()?, b.as_ref().ok()?, exclusive));
    let difference = differences.collect::<Option<Vec<f64>>>().and_then(|d| d.into_iter().max_by(f64::total_cmp));
    let difference = difference.filter(|_| asked.iter().all(|one| one.output.has_probabilities()));
    let shortened = all.into_iter().map(|found| found.map(|top| top.into_iter().take(count).collect()));
    Classification { image: path.to_string_lossy().into_owned(), found: shortened.collect(), difference }
}

fn as_json(answer: &Classification, asked: &[Asked], unusable: &[serde_json::Value]) -> serde_json::Value {
    let one = |found: &Result<Vec<Prediction>>| match found {
        Ok(top) => ("top", serde_json::json!(top)),
        Err(error) => ("error", error.to_string().into()),
    };
    let mut json = serde_json::json!({ "image": answer.image });
    match answer.found.as_slice() {
        [found] if asked.iter().all(|one| one.name.is_none()) => {
            let (key, value) = one(found);
            json[key] = value;
        }
        several => {
            json["difference"] = answer.difference.into();
            let named = asked.iter().zip(several).map(|(asked, found)| {
                let (key, value) = one(found);
                serde_json::json!({ "model": asked.name, key: value })
            });
            json["models"] = named.chain(unusable.iter().cloned()).collect();
        }
    }
    json
}

fn top_classes(model: &Model, path: &Path, count: usize) -> Result<Vec<Prediction>> {
    let picture = decode(path, &read_bytes(path)?)?;
    let logits = techniques::classify(model, &picture)?;
    Ok(model.info.classes()?.top(&logits, count))
}

fn print(answer: &Classification, asked: &[Asked], with_name: bool) {
    if with_name {
        let difference = answer.difference.map_or_else(String::new, |d| format!("  (difference {d:.3})"));
        say!("{}{difference}", printable(&answer.image));
    }
    for (asked, found) in asked.iter().zip(&answer.found) {
        let Ok(top) = found else { continue };
        if let Some(name) = &asked.name {
            say!("  {}", printable(name));
        }
        for p in top {
            let label = printable(&p.label);
            if asked.output.has_probabilities() {
                say!("{:>6.2} %  {label} ({})", f64::from(p.probability) * 100.0, p.index);
            } else {
                say!("{:>10.4}  {label} ({})", p.logit, p.index);
            }
        }
    }
}
