//! `gradlens classify`.

use super::args::ClassifyArgs;
use super::exit;
use crate::engine::device;
use crate::error::{Error, Result};
use crate::imaging::{decode, read_bytes};
use crate::model::{BUILT_IN, Model, Prediction, Weights, find};
use crate::techniques;
use std::path::Path;

/// Classifies every picture; one that cannot be read does not stop the others.
pub(super) fn classify(args: &ClassifyArgs) -> anyhow::Result<u8> {
    if let Some(threads) = args.threads {
        // The pool does not exist yet in this process.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    }
    let entry = find(BUILT_IN, &args.model)?;
    if entry.output.is_none() {
        return Err(Error::bad_value("--model", entry.id, "it has no classes; use a classifier").into());
    }
    let weights = match &args.weights {
        Some(path) => Weights::read(path)?,
        None => entry.weights(),
    };
    let model = entry.build(&weights, &device(&args.device)?)?;
    let mut code = exit::DONE;
    let mut list = vec![];
    for path in &args.images {
        let found = top_classes(&model, path, args.top.into());
        match found {
            Ok(top) if args.json => {
                list.push(serde_json::json!({ "image": path.to_string_lossy(), "top": top }));
            }
            Ok(top) => print(path, &top, args.images.len() > 1),
            Err(error) => {
                let error = anyhow::Error::from(error);
                code = code.max(exit::code_of(&error));
                if args.json {
                    let image = path.to_string_lossy();
                    list.push(serde_json::json!({ "image": image, "error": error.to_string() }));
                }
                eprintln!("gradlens: {error}");
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
    Ok(model.info.classes()?.top(&techniques::classify(model, &picture)?, count))
}

fn print(path: &Path, top: &[Prediction], with_name: bool) {
    if with_name {
        println!("{}", crate::tui::printable(&path.to_string_lossy()));
    }
    for p in top {
        println!("{:>6.2} %  {} ({})", f64::from(p.probability) * 100.0, p.label, p.index);
    }
}
