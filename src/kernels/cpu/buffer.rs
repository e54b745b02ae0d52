//! Buffers that go round: a step of an optimisation needs the same ones as the step before it, and fresh memory costs
//! a page fault for every 4 kB.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Bytes of a cache line: no vector that starts on one reads two.
const LINE: usize = 64;
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// Floats from which on buffers are kept: the allocator is quick about smaller ones.
const SMALLEST: usize = 4 * 1024;

/// Floats in main memory, aligned to cache lines, that go back to the pool when they are dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: ManuallyDrop<Memory>,
    len: usize,
}

/// An allocation of `capacity` floats, all of which have been written.
#[derive(Debug)]
struct Memory {
    start: NonNull<f32>,
    capacity: usize,
}

// SAFETY: the allocation belongs to this value alone and floats may be used from any thread.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for Memory {}

impl Memory {
    fn layout(capacity: usize) -> Layout {
        let bytes = capacity.checked_mul(size_of::<f32>());
        let layout = bytes.and_then(|bytes| {
            let align = if bytes >= HUGE / 2 { HUGE } else { LINE };
            Layout::from_size_align(bytes.max(1).checked_next_multiple_of(align)?, align).ok()
        });
        layout.expect("a buffer fits the address space")
    }

    fn new(capacity: usize) -> Self {
        let layout = Self::layout(capacity);
        // SAFETY: the layout is of at least one line.
        let start = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        #[cfg(target_os = "linux")]
        if layout.align() == HUGE {
            // Only a hint: without huge pages it works as well, with more misses when addresses are looked up.
            // SAFETY: the range is this allocation and starts on a page.
            unsafe { libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
        }
        // SAFETY: the range is this allocation.
        unsafe { start.as_ptr().write_bytes(0, layout.size()) };
        Self { start: start.cast(), capacity }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout and nothing else frees it.
        unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.capacity)) }
    }
}

/// What is at rest and in use, in floats.
struct Pool {
    /// By capacity.
    rest: BTreeMap<usize, Vec<Memory>>,
    resting: usize,
    used: usize,
    most_used: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { rest: BTreeMap::new(), resting: 0, used: 0, most_used: 0 });

impl Pool {
    /// The smallest at rest that is large enough, unless more than a quarter of it would lie idle.
    fn take(&mut self, len: usize) -> Option<Memory> {
        let (&capacity, list) = self.rest.range_mut(len..=len + len / 3).next()?;
        let memory = list.pop();
        if list.is_empty() {
            self.rest.remove(&capacity);
        }
        self.resting -= capacity;
        memory
    }

    fn put(&mut self, memory: Memory) {
        self.used -= memory.capacity;
        self.resting += memory.capacity;
        self.rest.entry(memory.capacity).or_default().push(memory);
        // Buffers at rest never add more than a quarter to what was in use at once. The largest go first: after a
        // change of size nobody would ask for them again.
        while self.resting + self.used > self.most_used + self.most_used / 4 {
            let Some(mut entry) = self.rest.last_entry() else { break };
            self.resting -= entry.get_mut().pop().map_or(0, |memory| memory.capacity);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }
}

fn pool<T>(with: impl FnOnce(&mut Pool) -> T) -> T {
    with(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Buffer {
    /// `len` floats of any value: whoever asks writes all of them.
    pub fn any(len: usize) -> Self {
        let kept = if len < SMALLEST { None } else { pool(|pool| pool.take(len)) };
        let memory = kept.unwrap_or_else(|| Memory::new(len));
        if memory.capacity >= SMALLEST {
            pool(|pool| {
                pool.used += memory.capacity;
                pool.most_used = pool.most_used.max(pool.used);
            });
        }
        Self { memory: ManuallyDrop::new(memory), len }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::any(len);
        buffer.fill(0.0);
        buffer
    }

    /// These values.
    pub fn from_slice(values: &[f32]) -> Self {
        let mut buffer = Self::any(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `len` ≤ capacity floats lie there, zeroed when they were allocated, and nobody else writes them.
        unsafe { std::slice::from_raw_parts(self.memory.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and this is the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.memory.start.as_ptr(), self.len) }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: nothing uses it after this.
        let memory = unsafe { ManuallyDrop::take(&mut self.memory) };
        if memory.capacity >= SMALLEST {
            pool(|pool| pool.put(memory));
        }
    }
}
