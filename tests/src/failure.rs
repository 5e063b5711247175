//! How a case fails: with what was expected, and what came.

use std::fmt::Debug;
use std::io;

use serde_json::Value;

use crate::transcript::excerpt;

/// Why a case failed. The report adds the transcript.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}; came {came}")]
pub struct Failure {
    /// What a right host does.
    pub expected: String,
    /// What this one did.
    pub came: String,
}

/// How a case ends.
pub type Verdict = Result<(), Failure>;

impl Failure {
    /// A failure; both texts go on from "expected" and "came".
    pub fn new(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { expected: expected.into(), came: came.into() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new("files and sockets of the case to be there", format!("an error: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new("a file of JSON", format!("an error: {error}"))
    }
}

/// Passes if both are the same; else `what` says what they are.
pub fn same<A: Debug + PartialEq<B>, B: Debug>(what: &str, came: A, expected: B) -> Verdict {
    if came == expected {
        return Ok(());
    }
    Err(differing(what, &format!("{came:?}"), &format!("{expected:?}")))
}

/// [`same`], for JSON: it is shown as JSON.
pub fn same_json(what: &str, came: &Value, expected: &Value) -> Verdict {
    if came == expected {
        return Ok(());
    }
    Err(differing(what, &came.to_string(), &expected.to_string()))
}

fn differing(what: &str, came: &str, expected: &str) -> Failure {
    Failure::new(format!("{what}: {}", excerpt(expected.as_bytes())), excerpt(came.as_bytes()))
}

/// Passes if it is so; else `expected` says what should have been so, and `came` what was.
pub fn holds(it_is_so: bool, expected: &str, came: impl Debug) -> Verdict {
    if it_is_so {
        return Ok(());
    }
    Err(Failure::new(expected, excerpt(format!("{came:?}").as_bytes())))
}
