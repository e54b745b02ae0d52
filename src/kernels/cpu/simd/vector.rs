//! What can be done with a vector, whatever its width.

/// Vectors of `LANES` floats, and what can be done with them. A value of the type is the proof that the processor has the
/// instructions: only [`super::level`] hands them out. All methods are to be inlined into a function that carries the
/// instructions, which [`super::vectorised`] sees to.
pub(in crate::kernels::cpu) trait Simd: Copy {
    /// Floats in a vector.
    const LANES: usize;
    /// Rows of a matrix product's tile that leave registers for everything else.
    const ROWS: usize;
    /// A vector.
    type V: Copy;

    fn splat(self, value: f32) -> Self::V;
    /// # Safety
    /// `LANES` floats can be read at `from`.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// The first `n` < `LANES` floats at `from`, zeros behind them.
    /// # Safety
    /// `n` floats can be read at `from`.
    unsafe fn load_part(self, from: *const f32, n: usize) -> Self::V;
    /// # Safety
    /// `LANES` floats can be written at `to`.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// The first `n` < `LANES` floats of `v`.
    /// # Safety
    /// `n` floats can be written at `to`.
    unsafe fn store_part(self, to: *mut f32, v: Self::V, n: usize);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a·b + sum, rounded once where that is one instruction.
    fn fma(self, a: Self::V, b: Self::V, sum: Self::V) -> Self::V;
    /// clamp(v, low, high); NaN stays NaN, so that a broken forward pass is seen and not hidden.
    fn clamp(self, v: Self::V, low: Self::V, high: Self::V) -> Self::V;
    /// max(v, 0), 0 for NaN.
    fn positive(self, v: Self::V) -> Self::V;
    /// g where 0 < y < cap, 0 elsewhere.
    fn gate(self, g: Self::V, y: Self::V, cap: Self::V) -> Self::V;
    /// Asks for the cache line at `from`, which need not be readable.
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        let _ = from;
    }
    /// max(best, v), NaN if v is.
    fn largest(self, best: Self::V, v: Self::V) -> Self::V;
    /// `yes` where v > limit, `no` elsewhere.
    fn where_above(self, v: Self::V, limit: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `yes` where a = b, `no` elsewhere.
    fn where_equal(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;

    /// A whole vector if `FULL`, else the first `n` < `LANES` floats.
    /// # Safety
    /// As many floats can be read at `from`.
    #[inline(always)]
    unsafe fn load_if<const FULL: bool>(self, from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if FULL { self.load(from) } else { self.load_part(from, n) } }
    }

    /// A whole vector if `FULL`, else the first `n` < `LANES` floats.
    /// # Safety
    /// As many floats can be written at `to`.
    #[inline(always)]
    unsafe fn store_if<const FULL: bool>(self, to: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { if FULL { self.store(to, v) } else { self.store_part(to, v, n) } }
    }

    /// `n` ≤ `LANES` floats.
    /// # Safety
    /// `n` floats can be read at `from`.
    #[inline(always)]
    unsafe fn load_up_to(self, from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { self.load(from) } else { self.load_part(from, n) } }
    }

    /// `n` ≤ `LANES` floats.
    /// # Safety
    /// `n` floats can be written at `to`.
    #[inline(always)]
    unsafe fn store_up_to(self, to: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { self.store(to, v) } else { self.store_part(to, v, n) } }
    }
}
