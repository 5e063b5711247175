//! Remembering: in globals and left-over memory, or in a pod's cursor.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::bindings::pod::tools::pods::{self, Cursor};
use crate::{Error, ErrorKind, Found, Verb};

static SEEN: AtomicU64 = AtomicU64::new(0);

/// Eight bytes that nothing else writes; here as their complement, so that the program itself holds none.
const SECRET: u64 = !0x6f75_745f_6f66_5f68;

/// Looks for what an earlier call has left behind, then leaves it behind: a count, and a pattern in memory.
pub fn keeps_its_state(_: &str) -> Found {
    let calls = SEEN.fetch_add(1, Ordering::Relaxed);
    let secret = std::hint::black_box(!SECRET);
    let mut memory = Vec::<u64>::with_capacity(1 << 20);
    let found = memory.spare_capacity_mut().iter().filter(|word| {
        // SAFETY: any bytes are a number; they are whatever the memory held.
        unsafe { word.as_ptr().read_volatile() == secret }
    });
    let found = found.count();
    memory.resize(1 << 20, secret);
    std::hint::black_box(&memory);
    Ok(json!({ "calls": calls, "found": found }))
}

fn set_beyond_the_end(pod: &str) -> Result<(), Error> {
    pods::find(pod, Verb::Read)?.set_cursor(&Cursor { items: u64::MAX, digest: "\"\n\0".into() })
}

pub fn sets_a_cursor_beyond_the_end_and_fails(pod: &str) -> Found {
    set_beyond_the_end(pod)?;
    Err(Error { kind: ErrorKind::ExecutionFailed, reason: None, message: "it was not me".into() })
}

pub fn sets_a_cursor_beyond_the_end(pod: &str) -> Found {
    set_beyond_the_end(pod)?;
    Ok(json!(null))
}
