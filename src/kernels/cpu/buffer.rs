//! Buffers that go round: a step of an optimisation needs the same ones as the step before it, and fresh memory costs
//! a page fault for every 4 kB.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Bytes of a cache line: no vector that starts on one reads two.
const LINE: usize = 64;
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// Bytes of the largest page that is not huge.
const PAGE: usize = 64 << 10;
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
            // Huge pages as far as there are whole ones: what is left over would be memory that nobody uses.
            let (align, unit) = if bytes >= HUGE / 2 { (HUGE, PAGE) } else { (LINE, LINE) };
            Layout::from_size_align(bytes.max(1).checked_next_multiple_of(unit)?, align).ok()
        });
        layout.expect("a buffer fits the address space")
    }

    fn new(capacity: usize) -> Self {
        let layout = Self::layout(capacity);
        let start = if layout.align() == HUGE { pages::map(layout) } else { allocated(layout) };
        Self { start: start.cast(), capacity }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let layout = Self::layout(self.capacity);
        // SAFETY: it was allocated with this layout, the same way, and nothing else frees it.
        unsafe {
            if layout.align() == HUGE {
                pages::unmap(self.start.cast(), layout);
            } else {
                dealloc(self.start.as_ptr().cast(), layout);
            }
        }
    }
}

fn allocated(layout: Layout) -> NonNull<u8> {
    // SAFETY: the layout is of at least one line.
    NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Large buffers straight from the system: an allocator would not give them back, and leave gaps between them.
#[cfg(all(unix, not(miri)))]
mod pages {
    use super::HUGE;
    use std::alloc::{Layout, handle_alloc_error};
    use std::ptr::NonNull;

    /// Zeroed pages that start on a huge one.
    pub(super) fn map(layout: Layout) -> NonNull<u8> {
        let (size, whole) = (layout.size(), layout.size() + HUGE);
        // SAFETY: asks for pages of its own, then gives back what is before and behind those that are used.
        unsafe {
            let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let first = libc::mmap(std::ptr::null_mut(), whole, access, kind, -1, 0);
            if first == libc::MAP_FAILED {
                handle_alloc_error(layout);
            }
            let before = first.cast::<u8>().align_offset(HUGE);
            let start = first.cast::<u8>().add(before);
            for (at, length) in [(first.cast::<u8>(), before), (start.add(size), HUGE - before)] {
                if length > 0 {
                    libc::munmap(at.cast(), length);
                }
            }
            // Only a hint: without huge pages it works as well, with more misses when addresses are looked up.
            #[cfg(target_os = "linux")]
            libc::madvise(start.cast(), size, libc::MADV_HUGEPAGE);
            NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout))
        }
    }

    /// Gives back what [`map`] has given. Pages that the system will not take stay with the process.
    ///
    /// # Safety
    /// It has, with this layout, and nothing uses it after this.
    pub(super) unsafe fn unmap(start: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { libc::munmap(start.as_ptr().cast(), layout.size()) };
    }
}

#[cfg(not(all(unix, not(miri))))]
mod pages {
    use std::alloc::{Layout, dealloc};
    use std::ptr::NonNull;

    pub(super) use super::allocated as map;

    /// # Safety
    /// [`map`] has given it, with this layout, and nothing uses it after this.
    pub(super) unsafe fn unmap(start: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { dealloc(start.as_ptr(), layout) };
    }
}

/// What is at rest and in use, in floats.
struct Pool {
    /// By capacity.
    rest: BTreeMap<usize, Vec<Memory>>,
    /// Of all buffers, at rest or in use.
    held: usize,
    /// What was asked for of those in use, and the most there ever was at once.
    wanted: usize,
    most_wanted: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { rest: BTreeMap::new(), held: 0, wanted: 0, most_wanted: 0 });

/// Bytes of memory that are held and not in use: the next buffers are made of them.
pub fn bytes_at_rest() -> usize {
    let pool = POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    pool.rest.iter().map(|(capacity, list)| capacity * list.len()).sum::<usize>() * size_of::<f32>()
}

impl Pool {
    /// What is held at most: half as much again as was ever wanted at once.
    fn limit(&self) -> usize {
        self.most_wanted + self.most_wanted / 2
    }

    /// One that is at rest, or nothing if a new one is to be made: the smallest that is large enough, unless more than a
    /// quarter of it would lie idle, or more than half where there is no room for another.
    fn take(&mut self, len: usize) -> Option<Memory> {
        self.wanted += len;
        self.most_wanted = self.most_wanted.max(self.wanted);
        let largest = if self.held + len > self.limit() { 2 * len } else { len + len / 3 };
        let found = self.rest.range(len..=largest).next().map(|(capacity, _)| *capacity);
        match found {
            Some(capacity) => self.rest_one(capacity),
            None => {
                self.held += len;
                self.shrink();
                None
            }
        }
    }

    /// Takes one of this capacity out of those at rest.
    fn rest_one(&mut self, capacity: usize) -> Option<Memory> {
        let list = self.rest.get_mut(&capacity)?;
        let memory = list.pop();
        if list.is_empty() {
            self.rest.remove(&capacity);
        }
        memory
    }

    fn put(&mut self, memory: Memory, len: usize) {
        self.wanted -= len;
        self.rest.entry(memory.capacity).or_default().push(memory);
        self.shrink();
    }

    /// Frees what is at rest beyond the limit, the largest first: after a change of size nobody would ask for them again.
    fn shrink(&mut self) {
        while self.held > self.limit() {
            let Some(capacity) = self.rest.last_key_value().map(|(capacity, _)| *capacity) else { break };
            self.held -= self.rest_one(capacity).map_or(0, |memory| memory.capacity);
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
        // SAFETY: `len` ≤ capacity floats lie there, zeros when they were allocated, and nobody else writes them.
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
            let len = self.len;
            pool(|pool| pool.put(memory, len));
        }
    }
}
