//! The properties of the scope table, over changes that the fuzzer chooses, and over bytes that are none.
#![no_main]

extern crate pod_tools_fuzz as pod_tools_host;

#[path = "../../../host/tests/state/table_properties.rs"]
#[allow(dead_code, unused_imports, reason = "its tests are not built here")]
mod table_properties;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use pod_tools_host::scope::{Allocation, Permission, ScopeRule, Table};
use table_properties::{Change, keep_the_rules};

/// A few names and places, so that they meet.
#[derive(Arbitrary, Debug)]
enum Choice {
    Register { name: u8, pid: bool, parent: Option<u8>, rules: Vec<Rule> },
    Release(u8),
    Reclaim(bool),
}

#[derive(Arbitrary, Debug)]
struct Rule {
    target: Vec<bool>,
    writes: bool,
    recursive: bool,
}

fn name(choice: u8) -> String {
    format!("pod-{}", choice % 6)
}

impl From<Rule> for ScopeRule {
    fn from(rule: Rule) -> Self {
        let parts: Vec<_> = rule.target.iter().take(4).map(|&is_x| if is_x { "x" } else { "y" }).collect();
        Self {
            target: format!("/{}", parts.join("/")).into(),
            permission: if rule.writes { Permission::Write } else { Permission::Read },
            recursive: rule.recursive,
        }
    }
}

impl From<Choice> for Change {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Register { name: pod, pid, parent, rules } => Self::Register(Allocation {
                pod_name: name(pod),
                pid: pid.into(),
                socket: "/s".into(),
                scope_allow: rules.into_iter().take(3).map(Into::into).collect(),
                delegated_from: parent.map(name),
                holder: None,
            }),
            Choice::Release(pod) => Self::Release(name(pod)),
            Choice::Reclaim(pid) => Self::Reclaim(pid.into()),
        }
    }
}

fuzz_target!(|input: (Vec<Choice>, &[u8])| {
    let (choices, text) = input;
    if let Ok(table) = Table::parse(text) {
        table.render().unwrap();
    }
    keep_the_rules(choices.into_iter().take(48).map(Into::into).collect()).unwrap();
});
