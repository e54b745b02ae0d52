//! Counts what is allocated, so that a fuzzer sees files that take more memory than their size is worth.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

static LIVE: AtomicI64 = AtomicI64::new(0);
static MOST: AtomicI64 = AtomicI64::new(0);

/// Bytes that a reader may have besides four times the file: 16 MB of structure and 32 MB of computed constants, as they allow
/// by design, their buffers and tables.
pub const ALLOWANCE: i64 = 64 << 20;

/// The system's allocator, counted.
pub struct Counted;

fn took(bytes: i64) {
    MOST.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        took(size as i64 - layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Does it, and ends the program if that took more than four times the file's size and [`ALLOWANCE`].
pub fn within(file: usize, mut it: impl FnMut()) {
    let before = LIVE.load(Relaxed);
    MOST.store(before, Relaxed);
    it();
    let most = MOST.load(Relaxed) - before;
    assert!(most <= 4 * file as i64 + ALLOWANCE, "{most} bytes were allocated for a file of {file}");
}
