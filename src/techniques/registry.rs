//! Every technique there is.

use super::api::Technique;
use super::attribution::{METHODS, Method};
use super::style::STYLES;
use super::visualization::VISUALIZATIONS;
use super::{adversarial, attribution};
use crate::error::{Error, Result, did_you_mean};

/// Every technique, in the order of the dashboard's arrow keys: the attribution methods, then the others.
pub static TECHNIQUES: &[&dyn Technique] = &join();

const COUNT: usize = attribution::METHODS.len() + VISUALIZATIONS.len() + adversarial::ATTACKS.len() + STYLES.len();

const fn join() -> [&'static dyn Technique; COUNT] {
    let mut all: [&'static dyn Technique; COUNT] = [STYLES[0]; COUNT];
    let mut i = 0;
    while i < COUNT {
        let attacks = attribution::METHODS.len() + VISUALIZATIONS.len();
        all[i] = if i < attribution::METHODS.len() {
            attribution::METHODS[i]
        } else if i < attacks {
            VISUALIZATIONS[i - attribution::METHODS.len()]
        } else if i < attacks + adversarial::ATTACKS.len() {
            adversarial::ATTACKS[i - attacks]
        } else {
            STYLES[i - attacks - adversarial::ATTACKS.len()]
        };
        i += 1;
    }
    all
}

/// The technique called `id`.
///
/// # Errors
/// [`Error::Unknown`] with the closest ids.
pub fn find(techniques: &[&'static dyn Technique], id: &str) -> Result<&'static dyn Technique> {
    techniques.iter().find(|t| t.id() == id).copied().ok_or_else(|| {
        let near = did_you_mean(id, techniques.iter().map(|t| t.id()));
        Error::unknown("technique", id, format!("{near} `gradlens techniques` lists them").trim_start())
    })
}

/// The attribution method that a technique is, if it is one: such techniques can be compared and scored.
#[must_use]
pub fn method(technique: &dyn Technique) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.id() == technique.id()).copied()
}

#[cfg(test)]
mod tests {
    use super::super::api::{ParamKind, ParamValue, Params};
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_registry_is_sound() {
        let ids: BTreeSet<&str> = TECHNIQUES.iter().map(|t| t.id()).collect();
        assert_eq!(ids.len(), TECHNIQUES.len(), "two techniques share an id");
        for technique in TECHNIQUES {
            assert!(crate::model::usual(crate::model::BUILT_IN, technique.purpose()).is_ok());
            let defaults = Params::new(technique.params(), &BTreeMap::new()).expect("defaults");
            for recipe in technique.params() {
                let ParamKind::Preset { options, .. } = recipe.kind else { continue };
                for preset in options {
                    let given = BTreeMap::from([(recipe.name.to_owned(), ParamValue::Text(preset.id.to_owned()))]);
                    Params::new(technique.params(), &given).expect(preset.id);
                }
            }
            for spec in technique.params() {
                let default = defaults.get(spec.name).expect("declared").clone();
                assert!(spec.check(default).is_ok(), "{} of {}", spec.name, technique.id());
                assert!(!spec.help.is_empty() && !spec.help.ends_with('.'));
            }
        }
    }
}
