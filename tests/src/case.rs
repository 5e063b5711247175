//! A case: one behaviour of a host, and how it is judged.

use std::fmt;

use crate::failure::Verdict;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// What a case is about. The first part of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// What the four tools mean, and their wording.
    Tools,
    /// Verbs, patterns, and where sockets may lie.
    Grants,
    /// Each limit, tripped alone.
    Limits,
    /// Pods that answer late, wrongly, in pieces, or not at all.
    Faults,
    /// The scope table and its lock.
    Lock,
    /// The registry and the read cursors on disk.
    State,
}

impl Family {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Tools, Self::Grants, Self::Limits, Self::Faults, Self::Lock, Self::State];

    /// Its word, as it stands in ids and options.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Grants => "grants",
            Self::Limits => "limits",
            Self::Faults => "faults",
            Self::Lock => "lock",
            Self::State => "state",
        }
    }

    /// The family that an id begins with. In a constant, an id without one does not compile.
    const fn of(id: &str) -> Self {
        let mut index = 0;
        while index < Self::ALL.len() {
            let family = Self::ALL[index];
            if let Some((word, rest)) = id.as_bytes().split_at_checked(family.word().len())
                && same_bytes(word, family.word().as_bytes())
                && matches!(rest, [b'/', _, ..])
            {
                return family;
            }
            index += 1;
        }
        panic!("a case's id is FAMILY/NAME")
    }

    /// The family of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.word() == word)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One behaviour of a host.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The family, which is the first part of its id.
    pub family: Family,
    /// `FAMILY/NAME`: stable and unique.
    pub id: &'static str,
    /// What a right host does, in a sentence.
    pub about: &'static str,
    /// What it needs of the host and of the machine, besides sockets and files.
    pub needs: &'static [Need],
    /// Which wrong hosts it is sure to catch.
    pub catches: &'static [Flaw],
    pub(crate) run: fn(&mut Trial) -> Verdict,
}

impl Case {
    /// A case that needs sockets and files only.
    pub(crate) const fn new(id: &'static str, about: &'static str, run: fn(&mut Trial) -> Verdict) -> Self {
        Self { family: Family::of(id), id, about, needs: &[], catches: &[], run }
    }

    /// What it needs besides.
    pub(crate) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Which wrong hosts it catches.
    pub(crate) const fn catches(mut self, catches: &'static [Flaw]) -> Self {
        self.catches = catches;
        self
    }
}

/// `==` is not for constants.
const fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}
