//! `gradlens classify`.

use super::args::ClassifyArgs;
use super::exit;
use super::resolve;
use crate::error::{Error, Result};
use crate::imaging::{decode, read_bytes};
use crate::model::{self, BUILT_IN, Model, Output, Prediction, Purpose};
use crate::techniques;
use crate::tui::printable;
use std::path::Path;

/// Classifies every picture; one that cannot be read does not stop the others.
pub(super) fn classify(args: &ClassifyArgs) -> anyhow::Result<u8> {
    let device = resolve::computing(&args.on)?;
    let model = model::open(BUILT_IN, &resolve::model(&args.model, Purpose::Classes)?, &device)?;
    let output = resolve::classes(&model)?.clone();
    if let Some(text) = model.info.provenance.assumptions().filter(|_| !args.json) {
        eprintln!("gradlens: {}", printable(&text));
    }
    let mut code = exit::DONE;
    let mut list = vec![];
    for path in &args.images {
        let found = top_classes(&model, path, args.top.into());
        match found {
            Ok(top) if args.json => {
                list.push(serde_json::json!({ "image": path.to_string_lossy(), "top": top }));
            }
            Ok(top) => print(path, &output, &top, args.images.len() > 1),
            Err(error) => {
                let error = anyhow::Error::from(error);
                code = code.max(exit::code_of(&error));
                if args.json {
                    let image = path.to_string_lossy();
                    list.push(serde_json::json!({ "image": image, "error": error.to_string() }));
                }
                eprintln!("gradlens: {}", printable(&error.to_string()));
            }
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&list)?);
    }
    Ok(code)
}

fn top_classes(model: &Model, path: &Path, count: usize) -> Result<Vec<Prediction>> {
    let picture = decode(path, &read_bytes(path)?)?;
    let logits = techniques::classify(model, &picture)?;
    if logits.iter().any(|z| !z.is_finite()) {
        let reason = "its scores are no finite numbers; check its weights, and --mean and --std";
        return Err(Error::bad_value("--model", model.id(), reason));
    }
    Ok(resolve::classes(model)?.top(&logits, count))
}

fn print(path: &Path, output: &Output, top: &[Prediction], with_name: bool) {
    if with_name {
        println!("{}", printable(&path.to_string_lossy()));
    }
    for p in top {
        let label = printable(&p.label);
        if output.has_probabilities() {
            println!("{:>6.2} %  {label} ({})", f64::from(p.probability) * 100.0, p.index);
        } else {
            println!("{:>10.4}  {label} ({})", p.logit, p.index);
        }
    }
}
