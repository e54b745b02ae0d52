//! Every metric there is.

use super::metric::{Metric, Score};
use super::{infidelity, max_sensitivity, pointing, randomisation, removal, road, sparseness};
use crate::error::{Error, Result, did_you_mean};

/// Every metric, the quick ones first.
pub static METRICS: &[&Metric] = &[
    &sparseness::METRIC,
    &pointing::METRIC,
    &removal::METRIC,
    &road::METRIC,
    &infidelity::METRIC,
    &max_sensitivity::METRIC,
    &randomisation::METRIC,
];

/// The metric called `id`.
///
/// # Errors
/// [`Error::Unknown`] with the known ones.
pub fn metric(id: &str) -> Result<&'static Metric> {
    METRICS.iter().find(|m| m.id == id).copied().ok_or_else(|| {
        let known: Vec<&str> = METRICS.iter().map(|m| m.id).collect();
        let hint = format!("{} there are {}", did_you_mean(id, known.iter().copied()), known.join(", "));
        Error::unknown("metric", id, hint.trim_start())
    })
}

/// The score called `name`.
#[must_use]
pub fn score(name: &str) -> Option<Score> {
    METRICS.iter().flat_map(|m| m.scores).find(|s| s.name == name).copied()
}
