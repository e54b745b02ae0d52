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
        Some(names) => named_classes(names, scores, count).map_err(|reason| match &options.labels {
            Some(file) => Error::bad_value("--labels", file.display(), reason),
            None => Error::bad_model(path, format!("{reason} in its metadata; give others with --labels")),
        })?,
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

/// The labels in a file, for a network of so many classes.
///
/// # Errors
/// [`Error::BadValue`] if it cannot be read or has not as many.
pub fn read_labels(file: &Path, scores: Scores, count: usize) -> Result<Labels> {
    named_classes(labels::read(file)?, scores, count)
        .map_err(|reason| Error::bad_value("--labels", file.display(), reason))
}

/// Names in the order of a file as labels in the order of the scores; why not, if there are not as many.
fn named_classes(names: Vec<String>, scores: Scores, count: usize) -> std::result::Result<Labels, String> {
    match &names[..] {
        // One name is that of a yes.
        [yes] if count == 2 => Ok(Labels::new(vec![yes.clone(), format!("not {yes}")])),
        // Two are in the order of their indices: no is 0, yes is 1.
        [no, yes] if scores == Scores::Binary => Ok(Labels::new(vec![yes.clone(), no.clone()])),
        _ if names.len() == count => Ok(Labels::new(names)),
        _ => Err(format!("the network has {count} classes, and there are {} labels", names.len())),
    }
}
