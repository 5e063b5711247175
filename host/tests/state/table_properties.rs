//! What holds of every table, whatever is done to it.

use std::collections::HashSet;

use pod_tools_host::scope::{Allocation, Permission, ScopeRule, Table};
use proptest::prelude::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn rule() -> impl Strategy<Value = ScopeRule> {
    let target = prop::collection::vec(prop::sample::select(vec!["x", "y"]), 0..4);
    (target, any::<bool>(), any::<bool>()).prop_map(|(names, write, recursive)| ScopeRule {
        target: format!("/{}", names.join("/")).into(),
        permission: if write { Permission::Write } else { Permission::Read },
        recursive,
    })
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
}

prop_compose! {
    fn allocation()(
        pod_name in name(),
        pid in 1..4i64,
        scope_allow in prop::collection::vec(rule(), 0..3),
        delegated_from in prop::option::of(name()),
    ) -> Allocation {
        Allocation { pod_name, pid, socket: "/s".into(), scope_allow, delegated_from, holder: None }
    }
}

#[derive(Debug, Clone)]
pub enum Change {
    Register(Allocation),
    Release(String),
    /// The process of that id dies.
    Reclaim(i64),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => allocation().prop_map(Change::Register),
        1 => name().prop_map(Change::Release),
        1 => (1..4i64).prop_map(Change::Reclaim),
    ]
}

/// The pods that a pod's scope comes from, itself included.
fn line<'a>(table: &'a Table, pod: &'a str) -> HashSet<&'a str> {
    let mut line = HashSet::from([pod]);
    let mut next = table.get(pod).and_then(|held| held.delegated_from.as_deref());
    while let Some(name) = next
        && line.insert(name)
    {
        next = table.get(name).and_then(|held| held.delegated_from.as_deref());
    }
    line
}

/// What was only ever changed by the rules keeps them: delegation is a tree, a scope lies within its parent's, and
/// nobody writes where a stranger does.
pub fn keep_the_rules(changes: Vec<Change>) -> Result<(), TestCaseError> {
    let mut table = Table::default();
    for change in changes {
        match change {
            Change::Register(allocation) => drop(table.register(allocation)),
            Change::Release(name) => drop(table.release(&name)),
            Change::Reclaim(dead) => drop(table.reclaim_stale(|entry| entry.pid == dead)),
        }
        let table = Table::parse(table.render().unwrap().as_bytes()).unwrap();
        for held in table.allocations() {
            if let Some(name) = &held.delegated_from {
                let parent = table.get(name);
                prop_assert!(parent.is_some(), "{} hangs in the air", held.pod_name);
                prop_assert!(!line(&table, name).contains(held.pod_name.as_str()), "a circle");
                for rule in &held.scope_allow {
                    prop_assert!(rule.is_within(&parent.unwrap().scope_allow));
                }
            }
            for other in table.allocations() {
                let related = line(&table, &held.pod_name).contains(other.pod_name.as_str())
                    || line(&table, &other.pod_name).contains(held.pod_name.as_str());
                let conflict = held
                    .scope_allow
                    .iter()
                    .any(|own| other.scope_allow.iter().any(|theirs| own.conflicts_with(theirs)));
                prop_assert!(related || !conflict, "{} and {}", held.pod_name, other.pod_name);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn delegation_stays_a_tree_and_nobody_writes_where_a_stranger_does(
        changes in prop::collection::vec(change(), 0..40)
    ) {
        keep_the_rules(changes)?;
    }

    /// In a table that was found, circles and all: the dead can be reclaimed together or one by one.
    #[test]
    fn reclaiming_at_once_is_releasing_one_by_one(
        found in prop::collection::hash_map(name(), allocation(), 0..6),
        backwards in any::<bool>(),
    ) {
        let found: Vec<Allocation> =
            found.into_iter().map(|(pod_name, held)| Allocation { pod_name, ..held }).collect();
        let text = serde_json::json!({ "allocations": found }).to_string();
        let mut at_once = Table::parse(text.as_bytes()).unwrap();
        let count = at_once.reclaim_stale(|entry| entry.pid != 1);
        let mut dead: Vec<&Allocation> = found.iter().filter(|held| held.pid != 1).collect();
        if backwards {
            dead.reverse();
        }
        let mut one_by_one = Table::parse(text.as_bytes()).unwrap();
        for held in &dead {
            prop_assert!(one_by_one.release(&held.pod_name).is_some());
        }
        prop_assert_eq!(count as usize, dead.len());
        let (at_once, one_by_one): (Vec<_>, Vec<_>) =
            (at_once.allocations().collect(), one_by_one.allocations().collect());
        prop_assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn nothing_makes_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(table) = Table::parse(&bytes) {
            prop_assert!(table.render().is_ok());
        }
    }

    #[test]
    fn a_rule_that_covers_another_intersects_it(one in rule(), other in rule(), third in rule()) {
        prop_assert_eq!(one.intersects(&other), other.intersects(&one));
        if one.covers(&other) {
            prop_assert!(one.intersects(&other));
            if other.intersects(&third) {
                prop_assert!(one.intersects(&third));
            }
            if other.covers(&third) {
                prop_assert!(one.covers(&third));
            }
        }
    }
}
