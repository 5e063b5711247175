//! What a scope rule covers, and when two of them are in each other's way.
//!
//! Paths are compared by their components as they are written: nothing here looks at the file system. A table that is
//! [registered](super::Table::register) in also compares what they lead to.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::escape::EscapedPath;

/// What a pod may do with a part of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Read it.
    Read,
    /// Read and change it.
    Write,
}

/// A part of the file system, and what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScopeRule {
    /// The path that the rule begins at. In a rule that is to be registered it is absolute, without `..`,
    /// and UTF-8; in one that was found it may be anything.
    pub target: PathBuf,
    /// What may be done.
    pub permission: Permission,
    /// `true`: the target and all below it. `false`: the target and its direct children.
    pub recursive: bool,
}

impl ScopeRule {
    /// Whether every path that `other` covers is covered by this rule too, whatever the permissions.
    pub fn covers(&self, other: &ScopeRule) -> bool {
        let (own, theirs) = (components(&self.target), components(&other.target));
        if self.recursive { theirs.starts_with(&own) } else { !other.recursive && own == theirs }
    }

    /// Whether there is a path that both rules cover, whatever the permissions.
    pub fn intersects(&self, other: &ScopeRule) -> bool {
        let (own, theirs) = (components(&self.target), components(&other.target));
        // The deeper target lies within the reach of the upper rule, or they have nothing in common.
        let (upper, reaches_far, deeper) = if own.len() <= theirs.len() {
            (own, self.recursive, theirs)
        } else {
            (theirs, other.recursive, own)
        };
        deeper.starts_with(&upper) && (reaches_far || deeper.len() - upper.len() <= 1)
    }

    /// Whether two pods that are not each other's ancestors cannot hold these two rules: both write, and
    /// there is a path that both cover.
    pub fn conflicts_with(&self, other: &ScopeRule) -> bool {
        self.permission == Permission::Write
            && other.permission == Permission::Write
            && self.intersects(other)
    }

    /// Whether holding `rules` is enough to hand this rule on. Write needs write; read is satisfied by
    /// either.
    pub fn is_within(&self, rules: &[ScopeRule]) -> bool {
        // One rule has to cover it alone: what it covers has more children than a list can name.
        rules.iter().any(|rule| {
            (rule.permission == Permission::Write || self.permission == Permission::Read) && rule.covers(self)
        })
    }

    /// Whether the target is fit to be registered: absolute, UTF-8, and without `..`, whose meaning would
    /// depend on symbolic links.
    pub fn is_definite(&self) -> bool {
        self.target.is_absolute()
            && self.target.to_str().is_some()
            && !self.target.components().any(|component| component == Component::ParentDir)
    }
}

/// `write:/work/src`, with ` [non-recursive]` behind it where it is; control characters escaped.
impl fmt::Display for ScopeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permission = match self.permission {
            Permission::Read => "read",
            Permission::Write => "write",
        };
        let tag = if self.recursive { "" } else { " [non-recursive]" };
        write!(f, "{permission}:{}{tag}", EscapedPath(&self.target))
    }
}

/// The names on the way to a path. `..` takes one back, as near as one gets without the file system.
fn components(path: &Path) -> Vec<Component<'_>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(names.last(), Some(Component::Normal(_))) => {
                names.pop();
            }
            Component::ParentDir if names.last() == Some(&Component::RootDir) => {}
            other => names.push(other),
        }
    }
    names
}
