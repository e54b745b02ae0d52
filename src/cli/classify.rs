//! `gradlens classify`.

use super::args::ClassifyArgs;
use super::exit;
use crate::engine::{Prediction, device, top_predictions};
use crate::error::{Error, Result};
use crate::imaging::{decode, read_bytes};
use crate::nets::{Network, Weights, model};
use crate::techniques;
use std::path::Path;

/// Classifies every picture; one that cannot be read does not stop the others.
pub(super) fn classify(args: &ClassifyArgs) -> anyhow::Result<u8> {
    if let Some(threads) = args.threads {
        // The pool does not exist yet in this process.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    }
    let model = model(&args.model)?;
    if !model.classifier {
        return Err(Error::bad_value("--model", model.id, "it has no classes; use a classifier").into());
    }
    let weights = match &args.weights {
        Some(path) => Weights::read(path)?,
        None => model.weights(),
    };
    let network = model.build(&weights, &device(&args.device)?)?;
    let mut code = exit::DONE;
    let mut list = vec![];
    for path in &args.images {
        let found = top_classes(&network, path, args.top.into());
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

fn top_classes(network: &Network, path: &Path, count: usize) -> Result<Vec<Prediction>> {
    let picture = decode(path, &read_bytes(path)?)?;
    Ok(top_predictions(&techniques::classify(network, &picture)?, count))
}

fn print(path: &Path, top: &[Prediction], with_name: bool) {
    if with_name {
        println!("{}", crate::tui::printable(&path.to_string_lossy()));
    }
    for p in top {
        println!("{:>6.2} %  {} ({})", f64::from(p.probability) * 100.0, p.label, p.index);
    }
}
