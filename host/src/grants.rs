//! Who may do what to which pod: grants as data, and the one function that decides.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::denial::Denial;
use crate::escape::Escaped;
use crate::pattern;

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

/// All grants of one authority. Empty, it allows nothing. Grants only add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    grants: Vec<Grant>,
    /// Where they are written, if that is a file: a denial says what is to be added to it.
    pub(crate) file: Option<PathBuf>,
}

impl Grants {
    /// Adds a grant.
    pub fn add(&mut self, grant: Grant) {
        self.grants.push(grant);
    }

    /// The grants, in the order in which they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, Grant> {
        self.grants.iter()
    }

    /// Whether any grant allows `verb` on the pod `name`.
    pub fn allow(&self, verb: Verb, name: &str) -> bool {
        self.grants.iter().any(|grant| grant.covers(verb, name))
    }

    /// Whether any grant allows `verb` on any pod at all.
    pub fn allow_any(&self, verb: Verb) -> bool {
        self.grants.iter().any(|grant| grant.verbs.contains(&verb))
    }

    /// The first of `verbs` that is allowed on the pod `name`, or on any pod for `None`; else what is to be
    /// said about it. `operation` says what was to be done, as in "sending a message".
    pub(crate) fn check<'a>(
        &'a self,
        operation: &'a str,
        verbs: &[Verb],
        name: Option<&'a str>,
    ) -> Result<Verb, Denial<'a>> {
        let allowed = verbs.iter().copied().find(|&verb| match name {
            Some(name) => self.allow(verb, name),
            None => self.allow_any(verb),
        });
        allowed.ok_or_else(|| Denial {
            operation,
            missing: verbs.first().copied().unwrap_or(Verb::List),
            name,
            file: self.file.as_deref(),
        })
    }
}

impl<'a> IntoIterator for &'a Grants {
    type Item = &'a Grant;
    type IntoIter = std::slice::Iter<'a, Grant>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self { grants: grants.into_iter().collect(), file: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grants(texts: &[&str]) -> Grants {
        texts.iter().map(|text| text.parse::<Grant>().unwrap()).collect()
    }

    #[test]
    fn nothing_granted_allows_nothing() {
        for verb in Verb::ALL {
            assert!(!Grants::default().allow(verb, "x"));
            assert!(!Grants::default().allow_any(verb));
        }
    }

    #[test]
    fn a_grant_covers_its_verbs_on_its_pattern_only() {
        let grants = grants(&["read,list:a*", "stop:b"]);
        assert!(
            grants.allow(Verb::Read, "a1") && grants.allow(Verb::List, "a1") && grants.allow(Verb::Stop, "b")
        );
        assert!(
            !grants.allow(Verb::Stop, "a1")
                && !grants.allow(Verb::Read, "b")
                && !grants.allow_any(Verb::Send)
        );
    }

    #[test]
    fn what_is_not_a_grant_is_refused() {
        assert_eq!("read:".parse::<Grant>(), Err(GrantParseError::EmptyPattern("read:".into())));
        for text in ["", "write", "read,", "READ", ":x", "read;stop"] {
            assert!(matches!(text.parse::<Grant>(), Err(GrantParseError::UnknownVerb(_))), "{text}");
        }
    }

    fn any_grant() -> impl Strategy<Value = Grant> {
        (proptest::collection::vec(0..4usize, 1..4), "[ab*?]{1,5}").prop_map(|(verbs, pattern)| Grant {
            verbs: verbs.into_iter().map(|i| Verb::ALL[i]).collect(),
            pattern,
        })
    }

    proptest! {
        #[test]
        fn grants_only_add_and_only_grants_allow(
            held in proptest::collection::vec(any_grant(), 0..4),
            added in any_grant(),
            name in "[ab]{0,5}",
        ) {
            let before: Grants = held.iter().cloned().collect();
            let mut after = before.clone();
            after.add(added.clone());
            for verb in Verb::ALL {
                prop_assert!(!before.allow(verb, &name) || after.allow(verb, &name));
                let by_one = held.iter().chain([&added]).any(|grant| grant.covers(verb, &name));
                prop_assert_eq!(after.allow(verb, &name), by_one);
            }
        }

        #[test]
        fn a_written_grant_reads_back(grant in any_grant()) {
            prop_assert_eq!(grant.to_string().parse::<Grant>(), Ok(grant));
        }
    }
}
