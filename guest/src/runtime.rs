//! What the standard library would bring: memory, and what becomes of a panic. It would bring WASI with it, which the
//! tools have no use for: as it is, the component imports its contract and nothing else.

use alloc::alloc::{Layout, alloc, handle_alloc_error, realloc};
use core::panic::PanicInfo;
use core::ptr;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

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

// `memcmp` and its like.
#[link(name = "c")]
unsafe extern "C" {}
