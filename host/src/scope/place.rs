//! Scope rules compared by what their targets are, not by how these are spelled: a directory has as many names as
//! there are symbolic links and bind mounts that lead to it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::rule::{Permission, ScopeRule};
use crate::files::mounts::{Location, Mounts};
use crate::files::place::Place;

/// The targets of rules, each looked at once: for one comparison of a table.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: HashMap<PathBuf, Option<Rc<Place>>>,
    mounts: OnceCell<Mounts>,
}

impl Places {
    /// Whether holding `rules` is enough to hand `rule` on: as [`ScopeRule::is_within`] says where a target does not
    /// exist.
    pub(super) fn is_within(&mut self, rule: &ScopeRule, rules: &[ScopeRule]) -> bool {
        rules.iter().any(|held| {
            (held.permission == Permission::Write || rule.permission == Permission::Read)
                && self.covers(held, rule)
        })
    }

    fn covers(&mut self, held: &ScopeRule, rule: &ScopeRule) -> bool {
        let (Some(upper), Some(lower)) = (self.of(&held.target), self.of(&rule.target)) else {
            return held.covers(rule);
        };
        match lower.depth_below(&upper) {
            Some(0) => held.recursive || !rule.recursive,
            Some(_) => held.recursive,
            None => false,
        }
    }

    /// Whether two pods that are not each other's ancestors cannot hold these two rules: as
    /// [`ScopeRule::conflicts_with`] says, or because there is a file that both cover under some name.
    pub(super) fn conflict(&mut self, one: &ScopeRule, other: &ScopeRule) -> bool {
        if one.permission != Permission::Write || other.permission != Permission::Write {
            return false;
        }
        one.intersects(other) || self.intersect(one, other)
    }

    fn intersect(&mut self, one: &ScopeRule, other: &ScopeRule) -> bool {
        let (Some(here), Some(there)) = (self.of(&one.target), self.of(&other.target)) else { return false };
        let reaches =
            |rule: &ScopeRule, depth: Option<usize>| depth.is_some_and(|depth| rule.recursive || depth <= 1);
        if reaches(one, there.depth_below(&here)) || reaches(other, here.depth_below(&there)) {
            return true;
        }
        let mounts = self.mounts.get_or_init(Mounts::now);
        let (here, there) = (locations(mounts, one, &here), locations(mounts, other, &there));
        here.iter().any(|here| {
            there
                .iter()
                .any(|there| reaches(one, there.depth_below(here)) || reaches(other, here.depth_below(there)))
        })
    }

    fn of(&mut self, target: &Path) -> Option<Rc<Place>> {
        if let Some(known) = self.known.get(target) {
            return known.clone();
        }
        let place = Place::of(target).map(Rc::new);
        self.known.insert(target.to_owned(), place.clone());
        place
    }
}

/// Where in file systems the files of a rule begin: at its target, and at what is mounted beneath it.
fn locations(mounts: &Mounts, rule: &ScopeRule, place: &Place) -> Vec<Location> {
    let path = place.path();
    let beneath = rule.recursive.then(|| mounts.beneath(&path)).into_iter().flatten();
    mounts.location(&path).into_iter().chain(beneath).collect()
}
