//! A grant as data: verbs, and a pattern over the names of the pods that they cover.

use std::fmt;
use std::str::FromStr;

use super::pattern;
use crate::escape::Escaped;

/// What may be done with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// See that it exists, its scope, and whether it takes connections.
    List,
    /// Send it a message: start a turn.
    Send,
    /// Read its history and its state, and move its read cursor.
    Read,
    /// Shut it down, release its scope, forget its record.
    Stop,
}

impl Verb {
    /// All verbs, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::List, Self::Send, Self::Read, Self::Stop];

    /// The word for it in a grant.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Send => "send",
            Self::Read => "read",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Verb {
    type Err = GrantParseError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str() == word)
            .ok_or_else(|| GrantParseError::UnknownVerb(word.to_owned()))
    }
}

/// A text that is not a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantParseError {
    /// A word where a verb should be.
    #[error("`{}` is no verb of a grant; the verbs are list, send, read, stop", Escaped(.0))]
    UnknownVerb(String),
    /// A colon with nothing behind it.
    #[error(
        "the grant `{}` has an empty pattern; leave out the colon to cover every pod, or name one behind it",
        Escaped(.0)
    )]
    EmptyPattern(String),
}

/// One grant: verbs, and a pattern over the names of the pods that they cover.
///
/// Written `VERB[,VERB…][:PATTERN]`. In a pattern `*` stands for any characters, `?` for one; `*` is what a
/// grant without a pattern covers.
///
/// ```
/// use pod_tools_host::{Grant, Verb};
///
/// let grant: Grant = "list,read:build-*".parse()?;
/// assert!(grant.covers(Verb::Read, "build-7"));
/// assert!(!grant.covers(Verb::Stop, "build-7"));
/// assert!(!grant.covers(Verb::Read, "deploy"));
/// # Ok::<(), pod_tools_host::GrantParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    verbs: Vec<Verb>,
    pattern: String,
}

impl Grant {
    /// The grant of every verb on every pod: what the operator himself has.
    pub fn all() -> Self {
        Self { verbs: Verb::ALL.to_vec(), pattern: "*".to_owned() }
    }

    /// The verbs, as they were written.
    pub fn verbs(&self) -> &[Verb] {
        &self.verbs
    }

    /// The pattern over names of pods; `*` where none was written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether this grant alone allows `verb` on the pod `name`.
    pub fn covers(&self, verb: Verb, name: &str) -> bool {
        self.verbs.contains(&verb) && pattern::matches(&self.pattern, name)
    }

    /// Whether this grant alone allows `verb` on every pod that `pattern` matches. What it says yes to is
    /// so; of patterns that say the same in different ways, as `?*` and `*?`, it may say no.
    pub fn covers_pattern(&self, verb: Verb, pattern: &str) -> bool {
        self.verbs.contains(&verb) && pattern::includes(&self.pattern, pattern)
    }
}

impl FromStr for Grant {
    type Err = GrantParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (verbs, pattern) = match text.split_once(':') {
            Some((_, "")) => return Err(GrantParseError::EmptyPattern(text.to_owned())),
            Some((verbs, pattern)) => (verbs, pattern),
            None => (text, "*"),
        };
        let verbs = verbs.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>()?;
        Ok(Self { verbs, pattern: pattern.to_owned() })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, verb) in self.verbs.iter().enumerate() {
            write!(f, "{}{verb}", if i == 0 { "" } else { "," })?;
        }
        write!(f, ":{}", Escaped(&self.pattern))
    }
}

#[cfg(test)]
pub(super) fn any_grant() -> impl proptest::strategy::Strategy<Value = Grant> {
    use proptest::strategy::Strategy;
    (proptest::collection::vec(0..4usize, 1..4), "[ab*?]{1,5}").prop_map(|(verbs, pattern)| Grant {
        verbs: verbs.into_iter().map(|i| Verb::ALL[i]).collect(),
        pattern,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_grant_is_refused() {
        assert_eq!("read:".parse::<Grant>(), Err(GrantParseError::EmptyPattern("read:".into())));
        for text in ["", "write", "read,", "READ", ":x", "read;stop"] {
            assert!(matches!(text.parse::<Grant>(), Err(GrantParseError::UnknownVerb(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_grant_reads_back(grant in any_grant()) {
            prop_assert_eq!(grant.to_string().parse::<Grant>(), Ok(grant));
        }
    }
}
