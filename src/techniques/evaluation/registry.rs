//! Every metric there is.

use super::metric::Metric;
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

#[cfg(test)]
mod tests {
    use super::METRICS;
    use crate::techniques::figure;

    #[test]
    fn scores_are_declared_with_their_better_end() {
        for name in METRICS.iter().flat_map(|metric| metric.scores) {
            assert!(figure(name).name == *name && figure(name).more_is_better.is_some(), "{name}");
        }
    }
}
