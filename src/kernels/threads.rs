//! The threads that the kernels share.

/// Runs `work` on a thread of the pool that the kernels share: from there, handing parts of a layer to the other
/// threads costs no switch.
pub fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_some() { work() } else { rayon::scope(|_| work()) }
}
