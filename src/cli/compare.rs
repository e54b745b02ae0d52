//! `gradlens compare`: several maps of a photo side by side.

use super::across_models;
use super::args::{CompareArgs, ModelArgs};
use super::batch::{self, Batch};
use super::logging;
use super::resolve;
use crate::engine::{ClassName, Compared, JobSpec, Task};
use crate::error::{Error, Result};
use crate::techniques::COMPARED;

pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<u8> {
    logging::start();
    let compare = maps(args)?;
    let first = resolve::method(&compare[0].technique)?;
    let several = batch::several(&args.images);
    let pictures = batch::pictures(&args.images)?;
    let models = args.how.model.each()?;
    let of_model = |model: &ModelArgs| {
        let (technique, task) = (first.id().to_owned(), Task::Compare(compare.clone()));
        let job = JobSpec { technique, task, ..resolve::computed_with(&args.how.with_model(model.clone()))? };
        resolve::check_model(first, &job)?;
        Ok(batch::jobs(&pictures, &job, several, &args.out))
    };
    let all = models.iter().map(of_model).collect::<Result<Vec<_>>>()?;
    let (jobs, across) = across_models::joined(&models, all, &args.how.on)?;
    let display = resolve::display(&args.display)?;
    Batch {
        jobs,
        several,
        across,
        out: &args.out,
        how: &args.how,
        display,
        record: false,
        json: args.json,
        deliver: true,
        early: false,
    }
    .run()
}

/// Every method at every layer for every class that was named.
fn maps(args: &CompareArgs) -> Result<Vec<Compared>> {
    let techniques = args.technique.iter().map(|id| resolve::method(id)).collect::<Result<Vec<_>>>()?;
    let classes: Vec<_> = args.class.iter().map(|class| Some(ClassName::from(class.as_str()))).collect();
    let classes = if classes.is_empty() { vec![None] } else { classes };
    let layers: Vec<Option<String>> = args.layer.iter().cloned().map(Some).collect();
    let layers = if layers.is_empty() { vec![None] } else { layers };
    let mut maps = vec![];
    for technique in &techniques {
        for layer in &layers {
            for class in &classes {
                let technique = technique.id().to_owned();
                maps.push(Compared { technique, class: class.clone(), layer: layer.clone() });
            }
        }
    }
    if !COMPARED.contains(&maps.len()) {
        let range = format!(
            "techniques, layers and classes make that many maps, and {} to {} fit side by side",
            COMPARED.start(),
            COMPARED.end()
        );
        return Err(Error::bad_value("the number of maps", maps.len(), range));
    }
    Ok(maps)
}
