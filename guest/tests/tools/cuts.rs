//! Properties: how the pod's bytes are cut makes no difference, and no bytes bring a tool down.

use pod_tools_guest::Output;
use pod_tools_guest::host::{Cursor, Error};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::scripted::{Step, data, history, host, message, pod, says};

/// Reads, twice if need be, from these bytes in these pieces.
fn read(
    steps: &[Step],
    cursor: &Option<Cursor>,
    max_output: Option<u64>,
) -> (Result<Output, Error>, Option<Cursor>) {
    let mut host = host([pod("x").answering(steps.to_vec()).answering(steps.to_vec())]);
    host.bounds.max_output = max_output;
    *host.pods[0].cursor.borrow_mut() = cursor.clone();
    let answer = host.call("ReadPodOutput", r#"{"name":"x"}"#);
    let cursor = host.pods[0].cursor.borrow().clone();
    (answer, cursor)
}

fn cut(bytes: &[u8], cuts: &[Index]) -> Vec<Step> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .filter(|place| place[0] < place[1])
        .map(|place| says(&bytes[place[0]..place[1]]))
        .collect()
}

fn item() -> impl Strategy<Value = String> {
    item_with_text("[a-zA-Zé😀\"\\\\\n\u{1}{}\\[\\], ]{0,40}")
}

fn item_with_text(text: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        (select(vec!["user", "assistant", "system", "robot"]), text)
            .prop_map(|(role, text)| message(role, &text)),
        select(vec![
            "null",
            "-1.5e3",
            "[[],{\"a\":[\"]\"]}]",
            "{ }",
            r#"{"type":"reasoning","text":"\ud83d\ude00"}"#
        ])
        .prop_map(str::to_owned),
    ]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => vec(item(), 0..8).prop_map(|items| {
            history(&items.iter().map(String::as_str).collect::<Vec<_>>())
        }),
        2 => vec(item(), 0..4).prop_map(|items| {
            format!("{{\"data\" : {{\"greeting\":[1],\"items\":[ {} ]}},\"event\":\"history\"}}\r\n", items.join(" , "))
        }),
        1 => select(vec![
            "\n",
            " \r\n",
            "{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n",
            "{\"event\":\"error\",\"data\":{\"code\":\"internal\",\"message\":\"inv\\u0061lid method: x\"}}\n",
            "{\"data\":{\"items\":[true,1,\"é\"]},\"event\":\"other\"}\r\n",
            "{\"event\":\"shutdown\"}\n",
        ]).prop_map(str::to_owned),
    ]
}

/// A conversation, as it should be or with a few bytes changed.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let faults = prop_oneof![
        3 => Just(Vec::new()),
        1 => vec((any::<Index>(), prop_oneof![select(b"\"\\{}[]:,\n x0-.e\xff\xc3\xed\xa0".to_vec()), any::<u8>()]), 1..3),
    ];
    (vec(line(), 1..4), faults, any::<bool>()).prop_map(|(lines, faults, whole)| {
        let mut bytes = lines.concat().into_bytes();
        for (place, byte) in faults {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if !whole {
            bytes.pop();
        }
        bytes
    })
}

proptest! {
    #[test]
    fn a_read_does_not_depend_on_how_the_bytes_are_cut(
        first in conversation(),
        second in conversation(),
        cuts in vec(any::<Index>(), 0..12),
        max_output in proptest::option::of(0..60u64),
    ) {
        let whole = |bytes: &[u8]| vec![says(bytes)];
        let single = |bytes: &[u8]| bytes.iter().map(|&byte| says([byte])).collect::<Vec<_>>();
        let mut cursor = None;
        for bytes in [&first, &second, &second, &first] {
            let expected = read(&whole(bytes), &cursor, max_output);
            prop_assert_eq!(&read(&cut(bytes, &cuts), &cursor, max_output), &expected);
            prop_assert_eq!(&read(&single(bytes), &cursor, max_output), &expected);
            cursor = expected.1;
        }
    }

    #[test]
    fn reading_in_parts_gives_what_reading_at_once_gives(
        // An empty text is nothing but a separator, and none is needed between two answers.
        items in vec(item_with_text("[aé\n\"]{1,20}"), 0..10),
        max_output in 0..60u64,
    ) {
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let steps = [says(history(&items))];
        let (whole, end) = read(&steps, &None, None);
        let mut text = String::new();
        let mut cursor = None;
        let mut is_cut = false;
        loop {
            let (part, next) = read(&steps, &cursor, Some(max_output));
            let part = part.unwrap();
            cursor = next;
            let data = data(&part);
            prop_assert_eq!(&data["continued"], is_cut);
            if let Some(content) = part.content {
                // As much as fits, and one character at least.
                let first = content.chars().next().unwrap();
                prop_assert!(content.len() as u64 <= max_output.max(first.len_utf8() as u64), "{content:?}");
                text += if is_cut || text.is_empty() { "" } else { "\n\n" };
                text += &content;
            }
            is_cut = data["cut"] == true;
            prop_assert_eq!(part.summary.ends_with("the next read goes on from there"), is_cut);
            if !part.summary.contains("more item(s)") {
                break;
            }
        }
        prop_assert_eq!(text, whole.unwrap().content.unwrap_or_default());
        prop_assert_eq!(cursor, end);
    }

    #[test]
    fn no_bytes_bring_a_tool_down(bytes in vec(any::<u8>(), 0..200), cuts in vec(any::<Index>(), 0..6)) {
        for (tool, input) in [
            ("ReadPodOutput", r#"{"name":"x"}"#),
            ("StopPod", r#"{"name":"x"}"#),
            ("SendToPod", r#"{"name":"x","message":""}"#),
        ] {
            let _ = host([pod("x").answering(cut(&bytes, &cuts))]).call(tool, input);
        }
    }
}
