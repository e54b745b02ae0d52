//! The names of a model's classes.

use crate::error::{Error, Result, did_you_mean};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

static IMAGENET: LazyLock<Arc<[String]>> =
    LazyLock::new(|| include_str!("../../weights/imagenet_labels.txt").lines().map(str::to_owned).collect());

/// Names by class index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Arc<[String]>);

impl Labels {
    /// The names in the order of the classes.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        Self(names.into())
    }

    /// ImageNet-1k's thousand.
    #[must_use]
    pub fn imagenet() -> Self {
        Self(IMAGENET.clone())
    }

    /// Indices in words, where nothing better is known.
    #[must_use]
    pub fn indices(count: usize) -> Self {
        Self((0..count).map(Self::of_index).collect())
    }

    /// A class without a name.
    #[must_use]
    pub fn of_index(class: usize) -> String {
        format!("class {class}")
    }

    /// How many classes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All names; the position is the class index.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The name of a class, or its number in words for an index without one.
    #[must_use]
    pub fn label(&self, class: usize) -> String {
        self.0.get(class).cloned().unwrap_or_else(|| Self::of_index(class))
    }

    /// The classes whose name contains `query`, whatever the case; all of them for an empty query.
    #[must_use]
    pub fn search(&self, query: &str) -> Vec<(usize, &str)> {
        let query = query.trim().to_lowercase();
        let all = self.iter().enumerate();
        all.filter(|(i, label)| label.to_lowercase().contains(&query) || i.to_string() == query).collect()
    }

    /// The class that `query` names: a whole name, an index, or a part of a name that fits just one, whatever the case.
    /// `#3` is an index, whatever the names are; a number that is the name of one class and the index of another is neither.
    ///
    /// # Errors
    /// [`Error::Unknown`] or [`Error::Ambiguous`], both with candidates.
    pub fn find(&self, query: &str) -> Result<usize> {
        let query = query.trim();
        if let Some(Ok(index)) = query.strip_prefix('#').map(str::parse::<usize>) {
            return self.check(index);
        }
        let lower = query.to_lowercase();
        let exact: Vec<(usize, &str)> =
            self.search(query).into_iter().filter(|(_, label)| label.to_lowercase() == lower).collect();
        if let Ok(index) = query.parse::<usize>() {
            return match exact.as_slice() {
                [] => self.check(index),
                [(class, _)] if *class == index || index >= self.len() => Ok(*class),
                [(class, _), ..] => {
                    let candidates = format!("the class of that name is #{class}, the index is #{index}");
                    Err(Error::Ambiguous { name: query.to_owned(), candidates })
                }
            };
        }
        let found = if exact.is_empty() && !query.is_empty() { self.search(query) } else { exact };
        match found.as_slice() {
            [(index, _)] => Ok(*index),
            [] => {
                let near = did_you_mean(query, self.iter());
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

    /// The index itself, if there is such a class.
    ///
    /// # Errors
    /// [`Error::Unknown`] that says how far they go.
    pub fn check(&self, class: usize) -> Result<usize> {
        if class < self.len() {
            return Ok(class);
        }
        let last = self.len().saturating_sub(1);
        Err(Error::unknown("class", class.to_string(), format!("indices go from 0 to {last}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_index_label_and_part() {
        let labels = Labels::imagenet();
        assert_eq!(labels.len(), 1000);
        assert_eq!(labels.find("235").ok(), Some(235));
        assert_eq!(labels.find("GOLDFISH").ok(), Some(1));
        assert_eq!(labels.find("tabby").ok(), Some(281));
        assert_eq!(labels.find("german shep").ok(), Some(235));
        assert!(matches!(labels.find("1000"), Err(Error::Unknown { .. })));
        assert!(matches!(labels.find("shark"), Err(Error::Ambiguous { .. })));
        assert!(matches!(labels.find(""), Err(Error::Unknown { .. })));
    }

    #[test]
    fn few_classes_are_as_good() {
        let labels = Labels::new(vec!["cat".into(), "dog".into(), "wild cat".into()]);
        assert_eq!(labels.find("cat").ok(), Some(0));
        assert_eq!(labels.find("wild").ok(), Some(2));
        assert!(matches!(labels.find("3"), Err(Error::Unknown { hint, .. }) if hint.ends_with("0 to 2")));
        let turns = Labels::new(["0", "90", "180", "270", "3"].map(str::to_owned).to_vec());
        assert_eq!(["0", "90", "180", "#3", "#4"].map(|q| turns.find(q).ok()), [0, 1, 2, 3, 4].map(Some));
        assert!(matches!(turns.find("3"), Err(Error::Ambiguous { candidates, .. }) if candidates.contains("#4")));
        assert!(turns.find("5").is_err() && turns.find("#5").is_err());
        assert_eq!(Labels::indices(2).label(1), "class 1");
        assert_eq!(labels.label(7), "class 7");
    }
}
