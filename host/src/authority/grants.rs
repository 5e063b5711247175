//! All grants of one authority, and the one function that decides by them.

use std::path::PathBuf;

use super::denial::Denial;
use super::grant::{Grant, Verb};
use super::operation::Operation;

/// All grants of one authority. Empty, it allows nothing. Grants only add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    grants: Vec<Grant>,
    /// Where they are written, if that is a file: a denial says what is to be added to it.
    pub(super) file: Option<PathBuf>,
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

    /// The same, by these grants and by those that have replaced them, if any have.
    pub(super) fn allow_with(&self, successor: Option<&Grants>, verb: Verb, name: &str) -> bool {
        self.allow(verb, name) && successor.is_none_or(|grants| grants.allow(verb, name))
    }

    /// Whether any grant allows `verb` on any pod at all.
    pub fn allow_any(&self, verb: Verb) -> bool {
        self.grants.iter().any(|grant| grant.verbs().contains(&verb))
    }

    /// The first verb that allows the operation on the pod `name`, or on any pod for `None`; else the denial.
    pub(super) fn check<'a>(
        &'a self,
        operation: Operation,
        name: Option<&'a str>,
    ) -> Result<Verb, Denial<'a>> {
        let verbs = operation.verbs();
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
    use proptest::prelude::*;

    use super::super::grant::any_grant;
    use super::*;

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
    }
}
