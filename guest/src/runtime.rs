//! What the standard library would bring: memory, and what becomes of a panic. It would bring WASI with it, which the
//! tools have no use for: as it is, the component imports its contract and nothing else.

use alloc::alloc::{GlobalAlloc, Layout, alloc, handle_alloc_error, realloc};
use core::panic::PanicInfo;
use core::ptr;

/// The allocator of the C library, as the standard library has it: it begins with what is left of the memory that is
/// there, so that a small call need not let it grow.
struct OfC;

#[global_allocator]
static ALLOCATOR: OfC = OfC;

/// What `malloc` aligns to, whatever the size.
const ALIGN: usize = 16;

// `memcmp` and its like are linked with it.
#[link(name = "c")]
unsafe extern "C" {
    safe fn malloc(size: usize) -> *mut u8;
    safe fn aligned_alloc(align: usize, size: usize) -> *mut u8;
    #[link_name = "realloc"]
    fn resize(old: *mut u8, size: usize) -> *mut u8;
    fn free(old: *mut u8);
}

// SAFETY: memory is what C's functions give, at least as large and as aligned as it is asked for.
unsafe impl GlobalAlloc for OfC {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGN {
            malloc(layout.size())
        } else {
            aligned_alloc(layout.align(), layout.size())
        }
    }

    unsafe fn dealloc(&self, old: *mut u8, _: Layout) {
        // SAFETY: by the trait's contract this allocator gave it.
        unsafe { free(old) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ALIGN {
            // SAFETY: as above.
            return unsafe { resize(old, size) };
        }
        let new = aligned_alloc(layout.align(), size);
        if !new.is_null() {
            // SAFETY: both are as long as what is copied, and do not overlap.
            unsafe {
                ptr::copy_nonoverlapping(old, new, layout.size().min(size));
                free(old);
            }
        }
        new
    }
}

/// Memory for what the host hands over, as the component model's ABI asks for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: by the ABI `align` is a power of two, `size` no more than the memory can have, and `old` what an earlier
    // call gave for `old_size` and the same `align`.
    let (layout, given) = unsafe {
        if old_size == 0 {
            let layout = Layout::from_size_align_unchecked(size, align);
            (layout, alloc(layout))
        } else {
            let layout = Layout::from_size_align_unchecked(old_size, align);
            (layout, realloc(old, layout, size))
        }
    };
    if given.is_null() {
        handle_alloc_error(layout);
    }
    given
}

/// A panic is a trap: the host's log names the functions in which it happened.
#[panic_handler]
fn trap(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
