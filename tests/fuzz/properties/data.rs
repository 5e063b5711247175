//! The data of an answer, from any bytes: what is taken is the JSON that was given, on one line, no longer and no deeper
//! than it may be; and nothing else is refused.

use serde_json::Value;
use serde_json::value::RawValue;

use super::data::checked;

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

/// As the contract has it.
const MAX_DEPTH: usize = 64;

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The property of data of these bytes: the first says how many it may have, in eights.
pub fn check(bytes: &[u8]) {
    let Some((most, text)) = bytes.split_first() else { return };
    let (most, Ok(text)) = (8 * usize::from(*most), std::str::from_utf8(text)) else { return };
    let given: Result<Value, _> = serde_json::from_str(text);
    match checked(text.to_owned(), most) {
        Ok(taken) => {
            assert!(taken.get().len() <= most && !taken.get().contains(['\n', '\r']));
            assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "what was given is no JSON");
            // A number may be none that a tree of values can hold; deeper than a tree may be, nothing is taken.
            if let Ok(given) = given {
                assert_eq!(serde_json::from_str::<Value>(taken.get()).unwrap(), given);
                assert!(depth(&given) <= MAX_DEPTH);
            }
        }
        Err(_) => assert!(text.len() > most || given.is_err() || depth(&given.unwrap()) > MAX_DEPTH),
    }
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_rules_of_data() {
    corpus::check_each("data", check);
}
