//! Ending in the middle of something.

use serde_json::json;

use crate::bindings::pod::tools::pods::Cursor;
use crate::bindings::pod::tools::{pods, scope_lock, unix_socket};
use crate::{Found, Request, Verb};

pub fn traps_at_once(_: &str) -> Found {
    panic!("at once")
}

pub fn traps_inside_a_connection(pod: &str) -> Found {
    let exchange = unix_socket::open(&pods::find(pod, Verb::Read)?, &Request::GetHistory, None)?;
    assert_eq!(exchange.read(1, None)?.len(), 1);
    panic!("inside a connection")
}

pub fn traps_between_release_and_forget(pod: &str) -> Found {
    scope_lock::release(&pods::find(pod, Verb::Stop)?, None)?;
    panic!("between release and forget")
}

pub fn traps_after_setting_a_cursor(pod: &str) -> Found {
    pods::find(pod, Verb::Read)?.set_cursor(&Cursor { items: 1, digest: "x".into() })?;
    panic!("after setting a cursor")
}

pub fn exits(_: &str) -> Found {
    std::process::exit(0);
    #[expect(unreachable_code, reason = "the type of an attack")]
    Ok(json!(null))
}
