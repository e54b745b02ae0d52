//! What the scores mean: what options and the file say, else what is likely.

use super::labels;
use super::onnx;
use super::options::ReadOptions;
use crate::error::{Error, Result};
use crate::model::{Assumption, Labels, Output, Scores};
use std::path::Path;

/// What the scores mean, if the file ends in a row of them.
///
/// # Errors
/// [`Error::BadModel`] or [`Error::BadValue`] if there are other labels than scores.
pub fn output(
    path: &Path,
    file: &onnx::Imported,
    named: Option<&Vec<String>>,
    options: &ReadOptions,
    assumed: &mut Vec<Assumption>,
) -> Result<Option<Output>> {
    let Some(count) = file.classes() else { return Ok(None) };
    let scores = match (options.scores, file.scores, count) {
        (Some(Scores::Sigmoid | Scores::Binary), _, 1) | (None, Scores::Sigmoid | Scores::Binary, 1) => {
            Scores::Binary
        }
        (Some(asked), _, _) => asked,
        (None, Scores::Plain, 1) => {
            Assumption::note(assumed, "the one score is a yes or no (a sigmoid)", "--scores");
            Scores::Binary
        }
        (None, Scores::Plain, _) => {
            Assumption::note(assumed, "scores are one of several classes (a softmax)", "--scores");
            Scores::Softmax
        }
        (None, found, _) => found,
    };
    let count = if scores == Scores::Binary { 2 } else { count };
    let names = match &options.labels {
        Some(file) => Some(labels::read(file)?),
        None => named.or(file.labels.as_ref()).cloned(),
    };
    let labels = match names {
        // One name is that of a yes.
        Some(names) if names.len() == 1 && count == 2 => {
            Labels::new(vec![names[0].clone(), format!("not {}", names[0])])
        }
        // Two are in the order of their indices: no is 0, yes is 1.
        Some(names) if scores == Scores::Binary && names.len() == 2 => {
            Labels::new(vec![names[1].clone(), names[0].clone()])
        }
        Some(names) if names.len() == count => Labels::new(names),
        Some(names) => {
            let reason = format!("it has {count} classes, and there are {} labels", names.len());
            return Err(match &options.labels {
                Some(file) => Error::bad_value("--labels", file.display(), reason),
                None => Error::bad_model(path, format!("{reason} in its metadata; give others with --labels")),
            });
        }
        None if count == Labels::imagenet().len() => {
            Assumption::note(assumed, "ImageNet's labels, since there are 1000 classes", "--labels");
            Labels::imagenet()
        }
        None if scores == Scores::Binary => {
            Assumption::note(assumed, "the one class is called \"yes\"", "--labels");
            Labels::new(vec!["yes".to_owned(), "no".to_owned()])
        }
        None => {
            Assumption::note(assumed, "classes have numbers for names", "--labels");
            Labels::indices(count)
        }
    };
    Ok(Some(Output { scores, labels }))
}
