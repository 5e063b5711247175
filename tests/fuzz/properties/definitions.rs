//! What a plugin says of its tools, from any bytes: what is taken is what was given, each name once, each text and each
//! schema within its bounds, and nothing in a schema has others run it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::definition::parse;
use crate::imports::bindings::exports::pod::tools::tools::{Definition, Effects};

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

/// No text has it.
const BETWEEN_TOOLS: char = '\u{1e}';
const BETWEEN_TEXTS: char = '\u{1f}';

fn definition(text: &str) -> Definition {
    let mut texts = text.split(BETWEEN_TEXTS).map(str::to_owned);
    let mut next = || texts.next().unwrap_or_default();
    Definition {
        name: next(),
        description: next(),
        input_schema: next(),
        data_schema: next(),
        content_property: texts.next(),
        effects: Effects { read_only: true, destructive: false, idempotent: true },
    }
}

/// The values of a schema, if it is within its bounds: the depth, and no member that has others run it.
fn values(value: &Value, depth: usize) -> usize {
    let inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(elements) => Box::new(elements.iter()),
        Value::Object(members) => {
            let refused = [
                "$ref",
                "$dynamicRef",
                "$recursiveRef",
                "$id",
                "$anchor",
                "$dynamicAnchor",
                "patternProperties",
            ];
            assert!(refused.iter().all(|name| !members.contains_key(*name)));
            Box::new(members.values())
        }
        _ => return 1,
    };
    assert!(depth <= 32);
    1 + inner.map(|value| values(value, depth + 1)).sum::<usize>()
}

fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&c))
}

/// The property of definitions in these bytes: texts in the contract's order, between separators.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let given = || text.split(BETWEEN_TOOLS).map(definition).collect::<Vec<_>>();
    let taken = match parse(given()) {
        Ok(taken) => taken,
        // What it says of the plugin's words is bounded, and steers no terminal.
        Err(error) => {
            assert!(error.message.len() < 4096, "{} bytes", error.message.len());
            return assert!(!error.message.contains(char::is_control), "{error}");
        }
    };
    assert!(taken.len() <= 64 && taken.len() == given().len());
    let names: BTreeSet<&str> = taken.iter().map(|tool| &*tool.name).collect();
    assert!(names.len() == taken.len() && names.into_iter().all(is_name));
    for (tool, given) in taken.iter().zip(given()) {
        assert_eq!((&tool.name, &tool.description), (&given.name, &given.description));
        assert_eq!(tool.content_property, given.content_property);
        assert!(tool.description.len() <= 16 << 10);
        assert!(tool.content_property.as_deref().is_none_or(is_name));
        for (taken, given) in
            [(&tool.input_schema, given.input_schema), (&tool.data_schema, given.data_schema)]
        {
            assert!(taken.get().len() <= 64 << 10 && !taken.get().contains(['\n', '\r']));
            let taken: Value = serde_json::from_str(taken.get()).unwrap();
            assert_eq!(taken, serde_json::from_str::<Value>(&given).unwrap());
            // A tree keeps one of two members of one name: there may be more values, and not fewer.
            assert!(taken.is_object() && values(&taken, 1) <= 10_000);
        }
        assert_eq!(serde_json::from_str::<Value>(tool.input_schema.get()).unwrap()["type"], "object");
    }
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_rules_of_definitions() {
    corpus::check_each("definitions", check);
}
