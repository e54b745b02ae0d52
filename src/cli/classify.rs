//! `gradlens classify`.

use super::args::ClassifyArgs;
use super::exit;
use super::resolve;
use crate::error::Result;
use crate::imaging::{decode, read_bytes};
use crate::model::{self, BUILT_IN, Model, Prediction, Purpose};
use crate::techniques;
use std::path::Path;

/// Classifies every picture; one that cannot be read does not stop the others.
pub(super) fn classify(args: &ClassifyArgs) -> anyhow::Result<u8> {
    let device = resolve::computing(&args.on)?;
    let model = model::open(BUILT_IN, &resolve::model(&args.model, Purpose::Classes)?, &device)?;
    resolve::classes(&model)?;
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
    Ok(resolve::classes(model)?.top(&techniques::classify(model, &picture)?, count))
}

fn print(path: &Path, top: &[Prediction], with_name: bool) {
    if with_name {
        println!("{}", crate::tui::printable(&path.to_string_lossy()));
    }
    for p in top {
        println!("{:>6.2} %  {} ({})", f64::from(p.probability) * 100.0, p.label, p.index);
    }
}
