//! Properties of the cursor, over any sequence of growth, compaction, reads and readers that die before they
//! have delivered: nothing that a read has seen is lost, and nothing is given twice without need.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::scripted::{data, history, host, message, pod, says};

#[derive(Debug, Clone)]
pub enum Act {
    /// The assistant says so many new things, each behind a user's message or not.
    Grow(Vec<bool>),
    /// The oldest part of the history, so much of it, gives way to one summary.
    Compact(usize),
    /// The history becomes shorter at its end, as when a turn is taken back.
    Shrink(usize),
    /// A reader reads, and has delivered the answer when its cursor is stored.
    Read,
    /// A reader reads and is killed before it has delivered.
    ReadAndDie,
}

fn growth() -> impl Strategy<Value = Act> {
    vec(any::<bool>(), 1..4).prop_map(Act::Grow)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => growth(),
        1 => (0..4usize).prop_map(Act::Compact),
        1 => (0..4usize).prop_map(Act::Shrink),
        3 => Just(Act::Read),
        1 => Just(Act::ReadAndDie),
    ]
}

/// Plays the acts; how often each text was delivered. Checks at each read that all texts that the history
/// holds have been delivered by then.
pub fn play(acts: &[Act], max_output: Option<u64>) -> Result<BTreeMap<String, u32>, TestCaseError> {
    let mut items: Vec<String> = Vec::new();
    let mut delivered: BTreeMap<String, u32> = BTreeMap::new();
    let mut said = 0;
    let mut cursor = None;
    // The beginning of a text that was given in part.
    let mut begun = String::new();
    let mut say = |role: &str| {
        said += 1;
        message(role, &format!("<{role} {said}>"))
    };
    for act in acts {
        match act {
            Act::Grow(turns) => {
                for &asked in turns {
                    if asked {
                        items.push(say("user"));
                    }
                    items.push(say("assistant"));
                }
            }
            Act::Compact(much) => {
                let summary = say("assistant");
                items.splice(..(*much).min(items.len()), [summary]);
            }
            Act::Shrink(much) => items.truncate(items.len().saturating_sub(*much)),
            Act::Read | Act::ReadAndDie => loop {
                // A rewritten history is asked for twice.
                let answer = vec![says(history(&items.iter().map(String::as_str).collect::<Vec<_>>()))];
                let mut host = host([pod("x").answering(answer.clone()).answering(answer)]);
                host.bounds.max_output = max_output;
                *host.pods[0].cursor.borrow_mut() = cursor.clone();
                let output = host.call("ReadPodOutput", r#"{"name":"x"}"#).unwrap();
                if let Act::ReadAndDie = act {
                    break;
                }
                cursor = host.pods[0].cursor.borrow().clone();
                let data = data(&output);
                if data["continued"] != true {
                    begun.clear();
                }
                let content = std::mem::take(&mut begun) + output.content.as_deref().unwrap_or_default();
                let mut texts: Vec<&str> = content.split("\n\n").filter(|text| !text.is_empty()).collect();
                if data["cut"] == true {
                    begun = texts.pop().unwrap_or_default().to_owned();
                }
                for text in texts {
                    *delivered.entry(text.to_owned()).or_default() += 1;
                }
                // Where answers are bounded, a reader reads on until nothing is left.
                if !output.summary.contains("more item(s) to read") {
                    let text = |item: &String| {
                        item.split_once('<').map(|(_, rest)| format!("<{}>", rest.split_once('>').unwrap().0))
                    };
                    let held = items.iter().filter(|item| item.contains("<assistant")).filter_map(text);
                    for text in held {
                        prop_assert!(delivered.contains_key(&text), "{text} was never delivered");
                    }
                    break;
                }
            },
        }
    }
    Ok(delivered)
}

proptest! {
    #[test]
    fn every_text_that_a_reader_could_see_is_delivered(
        acts in vec(act(), 0..24),
        max_output in proptest::option::of(0..80u64),
    ) {
        play(&acts, max_output)?;
    }

    #[test]
    fn every_text_is_delivered_exactly_once_while_history_only_grows_and_no_reader_dies(
        acts in vec(prop_oneof![growth(), Just(Act::Read)], 0..24),
        max_output in proptest::option::of(0..80u64),
    ) {
        let acts = [&acts[..], &[Act::Read]].concat();
        let delivered = play(&acts, max_output)?;
        prop_assert!(delivered.values().all(|&times| times == 1), "{delivered:?}");
    }
}
