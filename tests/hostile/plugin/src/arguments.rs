//! Gigantic arguments to host functions.

use serde_json::json;

use crate::bindings::pod::tools::pods::Cursor;
use crate::bindings::pod::tools::{pods, unix_socket};
use crate::{Found, Verb, outcome};

pub fn looks_for_a_gigantic_name(_: &str) -> Found {
    Ok(outcome(pods::find(&"x".repeat(40 << 20), Verb::Read)))
}

/// As long as the host lets pass, and longer when it is shown to people.
pub fn looks_for_a_name_of_control_characters(_: &str) -> Found {
    let name = "\u{1b}".repeat(7 << 20);
    Ok(json!([outcome(pods::find(&name, Verb::Read)), outcome(pods::find(&name, Verb::List))]))
}

pub fn sets_a_gigantic_cursor(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Read)?;
    Ok(outcome(pod.set_cursor(&Cursor { items: 1, digest: "x".repeat(7 << 20) })))
}

pub fn probes_a_gigantic_list(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::List)?;
    Ok(outcome(unix_socket::probe(&vec![&pod; 200_000])))
}

pub fn probes_with_a_gigantic_list_of_handles(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::List)?;
    Ok(outcome(unix_socket::probe(&vec![&pod; 4 << 20])))
}
