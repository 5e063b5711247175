//! What a pod may be called: its name is a directory beneath the base, and a word in other people's messages.

use std::fmt;
use std::str::FromStr;

use pod_tools_host::escape::steers;

/// The default spawner: the operator, who is no pod but has a directory among theirs.
const OPERATOR: &str = "pod-tools";

/// A name that is one path component and can be shown as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName(String);

impl PodName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a name cannot be one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a pod's name cannot be empty")]
    Empty,
    #[error("a pod's name is a directory beneath the base: it cannot be `.` or `..`, or hold a `/`")]
    NotOneComponent,
    #[error("a pod's name has no spaces, as it is a word of commands; call it `{0}`")]
    Space(String),
    #[error(
        "a pod's name cannot hold control characters, line separators or marks that turn the direction of writing"
    )]
    ControlCharacter,
    #[error("a pod's name has at most 255 bytes, as a directory's name has; this one has {0}")]
    TooLong(usize),
    #[error("names that begin with `scope.lock` belong to the scope lock and its files; choose another")]
    ScopeLock,
    #[error("`{OPERATOR}` is the operator's own directory beneath the base; choose another name")]
    Operator,
}

impl FromStr for PodName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<PodName, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name == "." || name == ".." || name.contains('/') {
            return Err(NameError::NotOneComponent);
        }
        if name.chars().any(steers) {
            return Err(NameError::ControlCharacter);
        }
        if name.contains(char::is_whitespace) {
            return Err(NameError::Space(name.split_whitespace().collect::<Vec<_>>().join("-")));
        }
        if name.len() > 255 {
            return Err(NameError::TooLong(name.len()));
        }
        if name.starts_with("scope.lock") {
            return Err(NameError::ScopeLock);
        }
        if name == OPERATOR {
            return Err(NameError::Operator);
        }
        Ok(PodName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_a_directory_and_can_be_shown_are_taken() {
        for name in ["a", "child-1", "ünïcode", "...", ".hidden", &"x".repeat(255)] {
            assert_eq!(name.parse::<PodName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_forge_a_line_are_refused() {
        let refused = |name: &str| name.parse::<PodName>().unwrap_err();
        assert_eq!(refused(""), NameError::Empty);
        for name in [".", "..", "a/b", "/", "../a"] {
            assert_eq!(refused(name), NameError::NotOneComponent);
        }
        for name in ["a\nb", "a\0b", "\u{1b}[2J", "a\u{85}", "a\u{202e}", "\u{2028}", "\u{61c}"] {
            assert_eq!(refused(name), NameError::ControlCharacter);
        }
        assert_eq!(refused("with  a space "), NameError::Space("with-a-space".to_owned()));
        assert_eq!(refused(&"x".repeat(256)), NameError::TooLong(256));
        for name in ["scope.lock", "scope.lock.next"] {
            assert_eq!(refused(name), NameError::ScopeLock);
        }
        assert_eq!(refused("pod-tools"), NameError::Operator);
    }
}
