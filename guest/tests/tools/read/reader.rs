//! A call of ReadPodOutput, and the pods that it reads from.

use pod_tools_guest::Output;
use pod_tools_guest::host::{Cursor, Error};

use crate::scripted::{Pod, Script, history, message, pod, says};

pub fn read(host: &Script) -> Result<Output, Error> {
    host.call("ReadPodOutput", r#"{"name":"x"}"#)
}

/// A pod that gives these items, once.
pub fn giving(items: &[&str]) -> Pod {
    pod("x").answering([says(history(items))])
}

/// Lets the pod answer another read with these items.
pub fn then(host: &Script, items: &[&str]) {
    host.pods[0].exchanges.borrow_mut().push_back(Ok(vec![says(history(items))]));
}

pub fn cursor(host: &Script) -> Option<Cursor> {
    host.pods[0].cursor.borrow().clone()
}

#[track_caller]
pub fn gives(output: &Output, summary: &str, content: Option<&str>) {
    assert_eq!((output.summary.as_str(), output.content.as_deref()), (summary, content));
}

pub fn user(text: &str) -> String {
    message("user", text)
}

pub fn assistant(text: &str) -> String {
    message("assistant", text)
}
