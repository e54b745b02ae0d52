//! How large a map may be.

use candle_core::Result;

/// Values of the largest map: 16 GiB. What asks for more has a wrong size in it.
const MOST: usize = 1 << 32;

/// The number of values of a map of this shape.
///
/// # Errors
/// If no memory could hold it.
pub(super) fn checked_len(shape: [usize; 4]) -> Result<usize> {
    let len = shape.iter().try_fold(1usize, |len, &n| len.checked_mul(n));
    match len {
        Some(len) if len <= MOST => Ok(len),
        _ => {
            candle_core::bail!("a map of shape {shape:?} is too large for any memory; look for a wrong size or scale")
        }
    }
}
