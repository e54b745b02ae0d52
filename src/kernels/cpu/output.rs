//! The memory that the tasks of a layer write together.

use super::simd::Simd;

/// An output that several tasks write, each its own part.
#[derive(Clone, Copy)]
pub(super) struct SharedOutput {
    start: *mut f32,
    len: usize,
}

// SAFETY: tasks write parts that do not overlap, as `SharedOutput::new` asks.
unsafe impl Send for SharedOutput {}
// SAFETY: as above.
unsafe impl Sync for SharedOutput {}

impl SharedOutput {
    /// # Safety
    /// While the output is used nothing else touches `to`, and no two threads write one element.
    pub unsafe fn new(to: &mut [f32]) -> Self {
        Self { start: to.as_mut_ptr(), len: to.len() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Asks for the cache line of the float at `at`, which need not be there.
    #[inline(always)]
    pub fn prefetch<S: Simd>(&self, s: S, at: usize) {
        s.prefetch(self.start.wrapping_add(at));
    }

    /// Where `n` floats lie. The feature `checked` looks whether they do.
    ///
    /// # Safety
    /// `at + n` ≤ len.
    #[inline(always)]
    pub unsafe fn at(&self, at: usize, n: usize) -> *mut f32 {
        if cfg!(feature = "checked") {
            assert!(at + n <= self.len, "{n} floats at {at} of {}", self.len);
        }
        // SAFETY: the caller's promise.
        unsafe { self.start.add(at) }
    }
}
