//! The table itself: parsed, changed, rendered.
//!
//! Other programs, older and newer ones, share it. So everything that this one does not know is kept: members
//! of the table, members of an allocation, whole allocations that it cannot understand. What is not changed
//! keeps its exact text.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::allocation::Allocation;
use super::place::Places;
use super::rule::{Permission, ScopeRule};
use crate::escape::Escaped;
use crate::files::json_error::Position;
use crate::files::raw_object::{RawObject, With};

const ALLOCATIONS: &str = "allocations";

/// The allocations of a machine.
///
/// An allocation that cannot be understood stays in the table, is never stale, and is not found by its name.
#[derive(Debug, Clone, Default)]
pub struct Table {
    top: RawObject,
    entries: Vec<Entry>,
    changed: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    text: Text,
    /// `None` where it cannot be understood.
    allocation: Option<Allocation>,
}

/// An entry as it is written.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Text {
    /// As it was found, or as it is appended.
    Whole(Box<RawValue>),
    /// With a member replaced.
    Members(RawObject),
}

/// The text is no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseTableError(String);

/// Why an allocation was refused. The table has not been changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The name is in the table.
    #[error(
        "a pod named `{}` holds an allocation already (process {pid}); stop it or choose another name",
        Escaped(name)
    )]
    NameTaken {
        /// The name.
        name: String,
        /// The process that holds it.
        pid: i64,
    },
    /// A target is relative, has a `..` in it, or is not UTF-8.
    #[error(
        "the scope `{rule}` cannot be registered: its target must be an absolute UTF-8 path without `..`"
    )]
    Indefinite {
        /// The rule.
        rule: ScopeRule,
    },
    /// The socket's path is not UTF-8.
    #[error("the socket `{}` cannot be registered: its path must be UTF-8", .socket.display())]
    Socket {
        /// The path.
        socket: PathBuf,
    },
    /// The pod that delegates has no entry.
    #[error("the pod `{}` holds no allocation that could be delegated from", Escaped(parent))]
    UnknownParent {
        /// Its name.
        parent: String,
    },
    /// A rule does not lie within those of the pod that delegates.
    #[error("the scope `{rule}` is not within what `{}` holds; ask for less", Escaped(parent))]
    NotWithin {
        /// The rule.
        rule: ScopeRule,
        /// The pod that delegates.
        parent: String,
    },
    /// Somebody else writes there.
    #[error("the scope `{rule}` conflicts with `{held}`, which `{}` holds (process {pid})", Escaped(holder))]
    Conflict {
        /// The rule that was to be registered.
        rule: ScopeRule,
        /// The pod that holds the other.
        holder: String,
        /// Its process.
        pid: i64,
        /// The rule that is in the way.
        held: ScopeRule,
    },
    /// An entry of the table cannot be understood, so nobody can tell what it holds.
    #[error(
        "entry {index} of the table cannot be understood, so that neither its name nor anything for writing can be \
         given beside it; repair or remove it"
    )]
    Unreadable {
        /// Which, from 1.
        index: usize,
    },
}

impl Table {
    /// Reads a table. An empty text, or one of white space only, is an empty table.
    ///
    /// # Errors
    /// What is wrong with the text as a whole: it must be an object with a list `allocations`.
    pub fn parse(text: &[u8]) -> Result<Self, ParseTableError> {
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let top: RawObject = serde_json::from_slice(text).map_err(|error| {
            ParseTableError(format!("it holds no table of allocations: {}", Position(&error)))
        })?;
        let list = match (top.get(ALLOCATIONS), top.count(ALLOCATIONS)) {
            (Some(list), 1) => list,
            (_, count) => {
                return Err(ParseTableError(format!(
                    "it has {count} members `{ALLOCATIONS}` instead of one"
                )));
            }
        };
        let list: Vec<Box<RawValue>> = serde_json::from_str(list.get()).map_err(|error| {
            ParseTableError(format!("its `{ALLOCATIONS}` cannot be read: {}", Position(&error)))
        })?;
        let entries = list
            .into_iter()
            .map(|raw| Entry { allocation: serde_json::from_str(raw.get()).ok(), text: Text::Whole(raw) })
            .collect();
        Ok(Self { top, entries, changed: false })
    }

    /// The table as a text: pretty-printed with two spaces, no newline at its end.
    ///
    /// # Errors
    /// None that is known: what cannot be written was refused by [`register`](Self::register).
    pub fn render(&self) -> Result<String, serde_json::Error> {
        let texts: Vec<&Text> = self.entries.iter().map(|entry| &entry.text).collect();
        serde_json::to_string_pretty(&With { object: &self.top, name: ALLOCATIONS, value: &texts })
    }

    /// Whether anything has been changed since the table was parsed.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The allocations that can be understood, in their order.
    pub fn allocations(&self) -> impl Iterator<Item = &Allocation> {
        self.entries.iter().filter_map(|entry| entry.allocation.as_ref())
    }

    /// The allocation of the pod of that name; where names repeat, the first.
    pub fn get(&self, name: &str) -> Option<&Allocation> {
        self.allocations().find(|allocation| allocation.pod_name == name)
    }

    /// Removes the allocation that [`get`](Self::get) finds, and hands its children to the pod's own parent.
    pub fn release(&mut self, name: &str) -> Option<Allocation> {
        let found = |entry: &Entry| entry.allocation.as_ref().is_some_and(|held| held.pod_name == name);
        let index = self.entries.iter().position(found)?;
        self.remove(&HashSet::from([index])).pop()
    }

    /// Which entry, from 1, is that of the pod of that name, where it cannot be understood. Where names repeat, the
    /// first is the pod's.
    pub fn unreadable(&self, name: &str) -> Option<usize> {
        #[derive(Deserialize)]
        struct Named {
            pod_name: String,
        }
        let is_named = |entry: &Entry| match (&entry.allocation, &entry.text) {
            (Some(allocation), _) => allocation.pod_name == name,
            (None, Text::Whole(raw)) => {
                serde_json::from_str::<Named>(raw.get()).is_ok_and(|entry| entry.pod_name == name)
            }
            (None, Text::Members(_)) => false,
        };
        let index = self.entries.iter().position(is_named)?;
        self.entries[index].allocation.is_none().then_some(index + 1)
    }

    /// Releases every allocation whose pod is gone; how many there were.
    ///
    /// `is_gone` is asked for each: [`LifeCheck::of`](super::life::LifeCheck::of), but in tests.
    pub fn reclaim_stale(&mut self, mut is_gone: impl FnMut(&Allocation) -> bool) -> u32 {
        let stale: HashSet<usize> = (0..self.entries.len())
            .filter(|&index| self.entries[index].allocation.as_ref().is_some_and(&mut is_gone))
            .collect();
        u32::try_from(self.remove(&stale).len()).unwrap_or(u32::MAX)
    }

    /// Appends an allocation.
    ///
    /// A rule for writing must not conflict with one that another pod holds. For a pod that was spawned
    /// (`delegated_from`), every rule must lie within its parent's; then its parent and the pods that the
    /// parent's scope comes from are not in the way. Targets are compared by what they are: a symbolic link or a bind
    /// mount is what it leads to, as far as it exists. Whether the others live is not asked:
    /// [`reclaim_stale`](Self::reclaim_stale) first.
    ///
    /// # Errors
    /// Any; the table has not been changed then.
    pub fn register(&mut self, allocation: Allocation) -> Result<(), RegisterError> {
        if let Some(holder) = self.get(&allocation.pod_name) {
            return Err(RegisterError::NameTaken { name: allocation.pod_name, pid: holder.pid });
        }
        if let Some(index) = self.unreadable(&allocation.pod_name) {
            return Err(RegisterError::Unreadable { index });
        }
        if let Some(rule) = allocation.scope_allow.iter().find(|rule| !rule.is_definite()) {
            return Err(RegisterError::Indefinite { rule: rule.clone() });
        }
        let mut places = Places::default();
        let ancestors = self.ancestors(&allocation, &mut places)?;
        self.check_conflicts(&allocation, &ancestors, &mut places)?;
        let raw = serde_json::to_string_pretty(&allocation)
            .map(|text| text.replace('\n', "\n    "))
            .and_then(RawValue::from_string)
            .map_err(|_| RegisterError::Socket { socket: allocation.socket.clone() })?;
        self.entries.push(Entry { text: Text::Whole(raw), allocation: Some(allocation) });
        self.changed = true;
        Ok(())
    }

    /// The names of those that the scope comes from, once it is clear that it may.
    fn ancestors(
        &self,
        allocation: &Allocation,
        places: &mut Places,
    ) -> Result<HashSet<&str>, RegisterError> {
        let mut ancestors = HashSet::new();
        let Some(name) = &allocation.delegated_from else { return Ok(ancestors) };
        let parent = self.get(name).ok_or_else(|| RegisterError::UnknownParent { parent: name.clone() })?;
        let is_outside = |rule: &&ScopeRule| !places.is_within(rule, &parent.scope_allow);
        if let Some(rule) = allocation.scope_allow.iter().find(is_outside) {
            return Err(RegisterError::NotWithin { rule: rule.clone(), parent: name.clone() });
        }
        // Found tables may hold a circle.
        let mut next = Some(parent);
        while let Some(ancestor) = next
            && ancestors.insert(ancestor.pod_name.as_str())
        {
            next = ancestor.delegated_from.as_deref().and_then(|name| self.get(name));
        }
        Ok(ancestors)
    }

    fn check_conflicts(
        &self,
        new: &Allocation,
        exempt: &HashSet<&str>,
        places: &mut Places,
    ) -> Result<(), RegisterError> {
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(holder) = &entry.allocation else {
                if new.scope_allow.iter().any(|rule| rule.permission == Permission::Write) {
                    return Err(RegisterError::Unreadable { index: index + 1 });
                }
                continue;
            };
            if exempt.contains(holder.pod_name.as_str()) {
                continue;
            }
            for rule in &new.scope_allow {
                if let Some(held) = holder.scope_allow.iter().find(|held| places.conflict(rule, held)) {
                    return Err(RegisterError::Conflict {
                        rule: rule.clone(),
                        holder: holder.pod_name.clone(),
                        pid: holder.pid,
                        held: held.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Adds the allocations of another table that this one lacks: those whose pod is not gone, by name; those
    /// that cannot be understood, by their text.
    pub(super) fn adopt_missing(&mut self, other: Table, mut is_gone: impl FnMut(&Allocation) -> bool) {
        for entry in other.entries {
            let is_missing = match &entry.allocation {
                Some(allocation) => self.get(&allocation.pod_name).is_none() && !is_gone(allocation),
                None => !self.entries.iter().any(|own| own.text.is_same(&entry.text)),
            };
            if is_missing {
                self.entries.push(entry);
                self.changed = true;
            }
        }
    }

    /// Removes entries that can be understood, and hands the children that are left to the next parent up
    /// the chain that is left too.
    fn remove(&mut self, indices: &HashSet<usize>) -> Vec<Allocation> {
        let mut removed = Vec::new();
        let mut index = 0;
        self.entries.retain_mut(|entry| {
            index += 1;
            if !indices.contains(&(index - 1)) {
                return true;
            }
            removed.extend(entry.allocation.take());
            false
        });
        if removed.is_empty() {
            return removed;
        }
        self.changed = true;
        // Where a name repeats, its other holder goes on being the parent.
        let left: HashSet<&str> = self.allocations().map(|left| left.pod_name.as_str()).collect();
        let parents: HashMap<&str, Option<&str>> = removed
            .iter()
            .filter(|gone| !left.contains(gone.pod_name.as_str()))
            .map(|gone| (gone.pod_name.as_str(), gone.delegated_from.as_deref()))
            .collect();
        for entry in &mut self.entries {
            let Some(allocation) = &mut entry.allocation else { continue };
            let Some(old) = allocation.delegated_from.as_deref().filter(|old| parents.contains_key(old))
            else {
                continue;
            };
            let parent = next_parent(&parents, old).filter(|parent| *parent != allocation.pod_name);
            let parent = parent.map(str::to_owned);
            entry.text.set_parent(parent.as_deref());
            allocation.delegated_from = parent;
        }
        removed
    }
}

/// The first pod up the chain that is not among those removed. A circle of removed ones has none.
fn next_parent<'a>(parents: &HashMap<&'a str, Option<&'a str>>, name: &str) -> Option<&'a str> {
    let mut parent = *parents.get(name)?;
    for _ in 0..parents.len() {
        match parents.get(parent?) {
            Some(next) => parent = *next,
            None => return parent,
        }
    }
    None
}

impl Text {
    fn is_same(&self, other: &Text) -> bool {
        matches!((self, other), (Text::Whole(own), Text::Whole(theirs)) if own.get() == theirs.get())
    }

    /// Rewrites `delegated_from` and nothing else.
    fn set_parent(&mut self, parent: Option<&str>) {
        let members = match self {
            Text::Whole(raw) => serde_json::from_str(raw.get()),
            Text::Members(members) => Ok(std::mem::take(members)),
        };
        // Both hold: what is set here was understood, so it is an object, and a name is text.
        if let (Ok(mut members), Ok(parent)) = (members, to_raw_value(&parent)) {
            members.set("delegated_from", parent);
            *self = Text::Members(members);
        }
    }
}
