//! How good a map is: one file a metric, one line each in [`METRICS`].

mod infidelity;
mod job;
mod max_sensitivity;
mod metric;
mod pointing;
mod randomisation;
mod registry;
mod removal;
mod road;
mod sparseness;

pub use job::{Evaluation, evaluate};
pub use metric::Metric;
pub use registry::{METRICS, metric};
