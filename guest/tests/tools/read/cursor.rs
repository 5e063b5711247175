//! The cursor of ReadPodOutput, and histories that were rewritten behind it.

use pod_tools_guest::host::{Cursor, State};

use crate::read::reader::{assistant, cursor, gives, giving, read, then, user};
use crate::scripted::{data, history, host, says};

#[test]
fn a_rewritten_history_is_given_from_its_start() {
    let (a, b, c, d) = (user("a"), assistant("b"), assistant("c"), assistant("d"));
    let rewritten = "; history was rewritten, given from its start";
    for new in [vec![&a, &c, &d], vec![&d, &b], vec![&b]] {
        let new: Vec<&str> = new.into_iter().map(String::as_str).collect();
        let host = host([giving(&[&a, &b]).in_state(State::Idle)]);
        read(&host).unwrap();
        then(&host, &new);
        then(&host, &new);
        host.asked.borrow_mut().clear();
        let output = read(&host).unwrap();
        assert!(output.summary.ends_with(&format!("; now idle{rewritten}")), "{}", output.summary);
        let once = ["open get-history", "state", "close"];
        assert_eq!(host.asked(), [&["find x Read"], &once[..], &once, &["set-cursor"]].concat());
        assert_eq!(data(&output)["rewritten"], true);
        assert_eq!(data(&output)["new_items"], new.len());
        assert_eq!(cursor(&host).map(|cursor| cursor.items), Some(new.len() as u64));
        // And that is what is vouched for from now on.
        then(&host, &new);
        gives(&read(&host).unwrap(), "pod `x` idle; no new assistant text", None);
    }
}

#[test]
fn a_history_that_has_become_empty_was_rewritten() {
    let item = assistant("a");
    let host = host([giving(&[&item])]);
    read(&host).unwrap();
    then(&host, &[]);
    then(&host, &[]);
    gives(
        &read(&host).unwrap(),
        "pod `x` running; no new assistant text; history was rewritten, given from its start",
        None,
    );
    assert_eq!(cursor(&host).map(|cursor| cursor.items), Some(0));
    then(&host, &[&item]);
    gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("a"));
}

#[test]
fn a_digest_in_another_notation_does_not_vouch_for_anything() {
    let item = assistant("a");
    for digest in ["", "sha256:00", "xxh3:", "xxh3:+1", "xxh3,0:zz", "xxh3:00000000000000000000000000000000"]
    {
        let host = host([giving(&[&item]).answering([says(history(&[&item]))])]);
        *host.pods[0].cursor.borrow_mut() = Some(Cursor { items: 1, digest: digest.into() });
        gives(
            &read(&host).unwrap(),
            "pod `x`: 1 new line(s) of assistant text; history was rewritten, given from its start",
            Some("a"),
        );
    }
}

#[test]
fn the_digest_is_the_documented_one() {
    let items = [user("a"), "{ \"type\" : 1}".into()];
    let host = host([giving(&[&items[0], &items[1]])]);
    read(&host).unwrap();
    let bytes = format!("{},{},", items[0], items[1]);
    let skip = items[0].len() + 1;
    let digest = format!("xxh3,{skip}:{:032x}", xxhash_rust::xxh3::xxh3_128(bytes.as_bytes()));
    assert_eq!(cursor(&host), Some(Cursor { items: 2, digest }));
}

#[test]
fn a_pod_that_writes_more_than_a_comma_between_items_is_read_all_the_same() {
    let (a, b, c) = (assistant("a"), assistant("b"), assistant("c"));
    for between in [" ,", ", ", ",\t"] {
        let host = host([giving(&[&[&*a, &b].join(between)])]);
        read(&host).unwrap();
        let bytes = format!("{a},{b},");
        let digest = format!("xxh3,0:{:032x}", xxhash_rust::xxh3::xxh3_128(bytes.as_bytes()));
        assert_eq!(cursor(&host), Some(Cursor { items: 2, digest }), "{between:?}");
        then(&host, &[&[&*a, &b, &c].join(between)]);
        gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("c"));
    }
}

#[test]
fn a_shorter_history_without_a_line_end_is_rewritten_and_half_a_history_is_an_error() {
    let items = [assistant("a"), assistant("b"), assistant("c")];
    let whole = history(&[&items[0], &items[1], &items[2]]);
    let shorter = history(&[&items[0]]);
    let half = &whole[..whole.find(&items[1]).unwrap() + 10];
    for (bytes, summary) in
        [(shorter.trim_end(), Some("; history was rewritten, given from its start")), (half, None)]
    {
        let host = host([giving(&[&items[0], &items[1], &items[2]])]);
        read(&host).unwrap();
        let before = cursor(&host);
        for _ in 0..3 {
            host.pods[0].exchanges.borrow_mut().push_back(Ok(vec![says(bytes)]));
        }
        match (read(&host), summary) {
            (Ok(output), Some(summary)) => assert!(output.summary.ends_with(summary), "{}", output.summary),
            (Err(error), None) => {
                assert!(error.message.ends_with("closed before response, within a line"), "{error}");
                assert_eq!(cursor(&host), before);
            }
            (read, _) => panic!("{bytes}: {read:?}"),
        }
    }
}

#[test]
fn a_cursor_of_version_0_1_0_goes_on_as_it_was() {
    let (a, b, c) = (assistant("a"), assistant("b"), assistant("c"));
    let of = |items: &[&String]| {
        let bytes: String = items.iter().map(|item| format!("{item}\n")).collect();
        let digest = format!("xxh3:{:032x}", xxhash_rust::xxh3::xxh3_128(bytes.as_bytes()));
        Cursor { items: items.len() as u64, digest }
    };
    let host = host([giving(&[&a, &b, &c])]);
    *host.pods[0].cursor.borrow_mut() = Some(of(&[&a, &b]));
    gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("c"));
    assert_eq!(cursor(&host), Some(of(&[&a, &b, &c])));
}

#[test]
fn the_cursor_is_staged_only_when_it_moves() {
    let item = assistant("a");
    let host = host([giving(&[])]);
    read(&host).unwrap();
    assert!(!host.was_asked("set-cursor"));
    then(&host, &[&item]);
    read(&host).unwrap();
    assert!(host.was_asked("set-cursor"));
    host.asked.borrow_mut().clear();
    then(&host, &[&item]);
    read(&host).unwrap();
    assert!(!host.was_asked("set-cursor"));
}

#[test]
fn a_bound_applies_to_a_rewritten_history_too() {
    let (a, b, c) = (assistant("aaaa"), assistant("bbbb"), assistant("cccc"));
    let mut host = host([giving(&[&a])]);
    host.bounds.max_output = Some(4);
    read(&host).unwrap();
    then(&host, &[&b, &c]);
    then(&host, &[&b, &c]);
    gives(
        &read(&host).unwrap(),
        "pod `x`: 1 new line(s) of assistant text; history was rewritten, given from its start; 1 more item(s) to read",
        Some("bbbb"),
    );
    then(&host, &[&b, &c]);
    gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("cccc"));
}

#[test]
fn a_pod_that_stops_before_its_rewritten_history_was_read_is_stopped() {
    let (a, b) = (assistant("a"), assistant("b"));
    let host = host([giving(&[&a])]);
    read(&host).unwrap();
    let before = cursor(&host);
    then(&host, &[&b]);
    gives(&read(&host).unwrap(), "pod `x` is stopped (unreachable)", None);
    assert_eq!(cursor(&host), before);
}
