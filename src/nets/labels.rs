//! The names of ImageNet-1k's thousand classes.

use crate::error::{Error, Result, did_you_mean};
use std::sync::LazyLock;

static LABELS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../../weights/imagenet_labels.txt").lines().collect());

/// All labels; the position is the class index.
#[must_use]
pub fn all() -> &'static [&'static str] {
    &LABELS
}

/// The label of a class index, or its number in words for an index without one.
#[must_use]
pub fn label(class: usize) -> String {
    LABELS.get(class).map_or_else(|| format!("class {class}"), |l| (*l).to_owned())
}

/// The classes whose label contains `query`, whatever the case; all of them for an empty query.
#[must_use]
pub fn search(query: &str) -> Vec<(usize, &'static str)> {
    let query = query.trim().to_lowercase();
    let all = LABELS.iter().copied().enumerate();
    all.filter(|(i, label)| label.to_lowercase().contains(&query) || i.to_string() == query).collect()
}

/// The class that `query` names: an index, a whole label, or a part that fits just one label, whatever the case.
///
/// # Errors
/// [`Error::Unknown`] or [`Error::Ambiguous`], both with candidates.
pub fn find(query: &str) -> Result<usize> {
    let query = query.trim();
    if let Ok(index) = query.parse::<usize>() {
        return if index < LABELS.len() {
            Ok(index)
        } else {
            Err(Error::unknown("class", query, format!("indices go from 0 to {}", LABELS.len() - 1)))
        };
    }
    let lower = query.to_lowercase();
    let exact: Vec<(usize, &str)> =
        search(query).into_iter().filter(|(_, label)| label.to_lowercase() == lower).collect();
    let found = if exact.is_empty() && !query.is_empty() { search(query) } else { exact };
    match found.as_slice() {
        [(index, _)] => Ok(*index),
        [] => {
            let near = did_you_mean(query, LABELS.iter().copied());
            let hint = format!("{near} `gradlens labels TEXT` searches them");
            Err(Error::unknown("class", query, hint.trim_start()))
        }
        several => {
            let mut names: Vec<String> = several.iter().take(6).map(|(i, l)| format!("{l} ({i})")).collect();
            if several.len() > 6 {
                names.push(format!("and {} more", several.len() - 6));
            }
            Err(Error::Ambiguous { name: query.to_owned(), candidates: names.join(", ") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_index_label_and_part() {
        assert_eq!(all().len(), 1000);
        assert_eq!(find("235").ok(), Some(235));
        assert_eq!(find("GOLDFISH").ok(), Some(1));
        assert_eq!(find("tabby").ok(), Some(281));
        assert_eq!(find("german shep").ok(), Some(235));
        assert!(matches!(find("1000"), Err(Error::Unknown { .. })));
        assert!(matches!(find("shark"), Err(Error::Ambiguous { .. })));
        assert!(matches!(find(""), Err(Error::Unknown { .. })));
    }
}
