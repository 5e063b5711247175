//! How much memory a property takes: it must grow with the input, and not faster.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a property may take whatever its input is, in bytes.
const ANYWAY: usize = 512 << 10;
/// What it may take for each byte of its input: a tree of values takes some dozens, and the property holds a few.
const PER_BYTE: usize = 256;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    let held = HELD.fetch_add(by, Ordering::Relaxed) + by;
    MOST.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: the system's allocator does the work, with what it was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while one is copied into the other.
        grown(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Checks the property of an input, and what that takes.
pub fn within_bounds(input: &[u8], check: impl FnOnce(&[u8])) {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    check(input);
    let taken = MOST.load(Ordering::Relaxed).saturating_sub(before);
    let allowed = ANYWAY + PER_BYTE * input.len();
    assert!(taken <= allowed, "{} bytes of input took {taken} bytes of memory, not {allowed}", input.len());
}
