//! Who may do what to which pod: grants as data, and the one function that decides.

use std::fmt;
use std::str::FromStr;

use crate::error::{ErrorKind, Reason, ToolError};
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

    /// Whether this grant alone allows `verb` on the pod `name`.
    pub fn covers(&self, verb: Verb, name: &str) -> bool {
        self.verbs.contains(&verb) && matches_pattern(&self.pattern, name)
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
pub struct Grants(Vec<Grant>);

impl Grants {
    /// Adds a grant.
    pub fn add(&mut self, grant: Grant) {
        self.0.push(grant);
    }

    /// Whether any grant allows `verb` on the pod `name`.
    pub fn allow(&self, verb: Verb, name: &str) -> bool {
        self.0.iter().any(|grant| grant.covers(verb, name))
    }

    /// Whether any grant allows `verb` on any pod at all.
    pub fn allow_any(&self, verb: Verb) -> bool {
        self.0.iter().any(|grant| grant.verbs.contains(&verb))
    }

    /// Fails with the error that a denied request gets. `operation` says what was to be done, as in
    /// "sending a message"; `name` is the pod, `None` where the request is for no particular one.
    pub(crate) fn check(&self, operation: &str, verbs: &[Verb], name: Option<&str>) -> Result<(), ToolError> {
        let allowed = verbs.iter().any(|&verb| match name {
            Some(name) => self.allow(verb, name),
            None => self.allow_any(verb),
        });
        if allowed {
            return Ok(());
        }
        let verb = verbs.first().copied().unwrap_or(Verb::List);
        let message = match name {
            Some(name) => {
                let name = Escaped(name);
                format!("pod `{name}`: {operation} is not granted; it takes the grant `{verb}:{name}`")
            }
            None => format!("{operation} is not granted; it takes the grant `{verb}`"),
        };
        Err(ToolError::new(ErrorKind::Denied, Reason::NotGranted, message))
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self(grants.into_iter().collect())
    }
}

/// Matches `*` and `?` in linear space and, at worst, the product of both lengths in time.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on when what follows the last `*` does not match: there, with one character more eaten.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before_name = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                // Whatever follows, however much of it there is.
                if pattern.as_str().is_empty() {
                    return true;
                }
                retry = Some((pattern.clone(), before_name.clone()));
                name = before_name;
            }
            (Some('?'), Some(_)) => {}
            (Some(p), Some(n)) if p == n => {}
            _ => {
                let Some((after_star, eaten)) = &mut retry else { return false };
                if eaten.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                name = eaten.clone();
            }
        }
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
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "a\nb/ü", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*a", "ba", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("?", "ü", true),
            ("?", "", false),
            ("??", "a", false),
            ("*?", "a", true),
            ("a**b", "ab", true),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} against {name}");
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
    fn a_denial_names_the_pod_the_operation_and_the_missing_grant() {
        let error = grants(&["read"]).check("sending a message", &[Verb::Send], Some("x\ny")).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)));
        assert_eq!(
            error.message,
            "pod `x\\ny`: sending a message is not granted; it takes the grant `send:x\\ny`"
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
