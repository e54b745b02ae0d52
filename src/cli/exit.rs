//! Exit codes.

use crate::engine::FailureKind;
use crate::error::Error;

/// Everything asked for was done.
pub(super) const DONE: u8 = 0;
/// The work failed.
pub(super) const FAILED: u8 = 1;
/// The command line asks for something that does not exist or does not fit.
pub(super) const USAGE: u8 = 2;
/// A picture cannot be read.
pub(super) const BAD_IMAGE: u8 = 3;
/// Weights cannot be read.
pub(super) const BAD_WEIGHTS: u8 = 4;
/// Interrupted; what there was is saved.
pub(super) const INTERRUPTED: u8 = 130;

/// The exit code that tells this error.
pub(super) fn code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>() {
        Some(error) => code_of_kind(FailureKind::from(error)),
        None => FAILED,
    }
}

/// The exit code that tells this kind of failure.
pub(super) fn code_of_kind(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Usage => USAGE,
        FailureKind::Image => BAD_IMAGE,
        FailureKind::Weights => BAD_WEIGHTS,
        FailureKind::Failed => FAILED,
    }
}
