//! Counts the bytes that are held, for each thread on its own: tests run side by side.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counted.
pub struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that this thread has allocated and not freed.
pub fn held() -> usize {
    HELD.with(Cell::get)
}

/// Runs `work` and returns the most bytes that this thread held during it, beyond those it held before.
#[allow(dead_code, reason = "shared, and not used by all")]
pub fn peak<R>(work: impl FnOnce() -> R) -> (usize, R) {
    let before = held();
    MOST.with(|most| most.set(before));
    let done = work();
    (MOST.with(Cell::get).saturating_sub(before), done)
}

fn count(more: usize, less: usize) {
    // A thread that is ending counts no more.
    let _ = HELD.try_with(|held| {
        let now = held.get().wrapping_add(more);
        let _ = MOST.try_with(|most| most.set(most.get().max(now)));
        held.set(now.wrapping_sub(less));
    });
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by nature; this one only counts"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(place, layout, size) }
    }
}
