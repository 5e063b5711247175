//! The name of a node: one token of a subject, and nothing that could be read as more.

use std::fmt;
use std::str::FromStr;

/// The longest, as of a host's label in DNS.
const LONGEST: usize = 63;

/// A node's name: 1 to 63 letters and digits of ASCII, `-` and `_`. A dot would make two tokens of a subject, `*` and
/// `>` would stand for other nodes, and white space or a control character would end the line of NATS's protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

/// A text that is no node's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no name of a node: 1 to 63 letters and digits of ASCII, `-` and `_`", shown(.0))]
pub struct NodeNameError(String);

impl NodeName {
    /// The name as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(is_token) {
            return Err(NodeNameError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whatever it is, it fits into a message.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(LONGEST).collect();
    start.escape_debug().to_string()
}
