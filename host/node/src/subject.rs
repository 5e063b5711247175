//! The subjects on which calls go: `pods.v1.<node>.<caller>.<tool>`.
//!
//! A server's permissions pin the node's token to the node's key, and the caller's to the caller's.

use crate::name::NodeName;

/// Under which calls of `caller`, a public key, for `tool` go to `node`.
pub fn of_call(node: &NodeName, caller: &str, tool: &str) -> String {
    format!("pods.v1.{node}.{caller}.{tool}")
}

/// What a node subscribes to: calls of all callers for all tools.
pub fn of_calls(node: &NodeName) -> String {
    of_call(node, "*", "*")
}

/// On which a node tells a caller of a pod, under a word of the caller's choice. It has more tokens than a call, which no
/// subscription to calls covers, and names no pod.
pub fn of_event(node: &NodeName, caller: &str, watch: &str) -> String {
    format!("pods.v1.{node}.event.{caller}.{watch}")
}

/// On which a node answers whoever would be of its name, too.
pub fn of_claim(node: &NodeName) -> String {
    format!("pods.v1.{node}.claim")
}

/// The caller and the tool in a subject that came for [`of_calls`].
pub fn parse(subject: &str) -> Option<(&str, &str)> {
    let mut tokens = subject.strip_prefix("pods.v1.")?.split('.').skip(1);
    match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(caller), Some(tool), None) => Some((caller, tool)),
        _ => None,
    }
}

/// Whether a tool's name is one token, so that it is the whole of what follows the caller.
pub fn is_token(tool: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !tool.is_empty() && tool.len() <= 128 && tool.bytes().all(of_token)
}
