//! An item that is longer than an answer may be: it is given in parts, and no part is lost or given for another.

use pod_tools_guest::host::Cursor;
use serde_json::json;

use crate::read::reader::{assistant, cursor, giving, read, then, user};
use crate::scripted::{Script, data, history, host, says};

/// A read of these items in answers of at most `max` bytes: its text, and whether it goes on and breaks off.
fn part(host: &mut Script, max: u64, items: &[&str]) -> (Option<String>, bool, bool) {
    host.bounds.max_output = Some(max);
    host.pods[0].exchanges.borrow_mut().clear();
    // A history that was rewritten is asked for twice.
    then(host, items);
    then(host, items);
    let output = read(host).unwrap();
    let data = data(&output);
    (output.content, data["continued"] == true, data["cut"] == true)
}

fn given(text: &str, continued: bool, cut: bool) -> (Option<String>, bool, bool) {
    (Some(text.to_owned()), continued, cut)
}

#[test]
fn a_part_ends_between_two_characters_and_holds_one_at_least() {
    let item = assistant("a\u{20ac}\u{1f600}\u{e9}");
    for (max, parts) in [
        (0, vec!["a", "\u{20ac}", "\u{1f600}", "\u{e9}"]),
        (2, vec!["a", "\u{20ac}", "\u{1f600}", "\u{e9}"]),
        (5, vec!["a\u{20ac}", "\u{1f600}", "\u{e9}"]),
        (6, vec!["a\u{20ac}", "\u{1f600}\u{e9}"]),
        (8, vec!["a\u{20ac}\u{1f600}", "\u{e9}"]),
        (10, vec!["a\u{20ac}\u{1f600}\u{e9}"]),
    ] {
        let mut host = host([giving(&[])]);
        for (index, text) in parts.iter().enumerate() {
            let expected = given(text, index > 0, index + 1 < parts.len());
            assert_eq!(part(&mut host, max, &[&item]), expected, "at most {max} bytes");
        }
        assert_eq!(cursor(&host).unwrap().items, 1);
        assert_eq!(part(&mut host, max, &[&item]), (None, false, false));
    }
}

#[test]
fn a_long_item_waits_for_an_answer_of_its_own_and_what_is_behind_it_waits_too() {
    let (a, long, b) = (assistant("aa"), assistant("0123456789"), assistant("bb"));
    let items = [&*a, &long, &b];
    let mut host = host([giving(&[])]);
    for expected in [
        given("aa", false, false),
        given("012345", false, true),
        given("6789", true, false),
        given("bb", false, false),
    ] {
        assert_eq!(part(&mut host, 6, &items), expected);
    }
    // The rest of one and the next, where there is room for both.
    let mut host = crate::scripted::host([giving(&[])]);
    assert_eq!(part(&mut host, 8, &items[1..]), given("01234567", false, true));
    assert_eq!(part(&mut host, 8, &items[1..]), given("89\n\nbb", true, false));
}

#[test]
fn the_place_within_an_item_is_the_documented_one() {
    let (question, long) = (user("q"), assistant("0123456789"));
    let mut host = host([giving(&[])]);
    part(&mut host, 4, &[&question, &long]);
    let of = |bytes: &str| xxhash_rust::xxh3::xxh3_128(bytes.as_bytes());
    let digest = format!("xxh3,0:{:032x}+4:{:032x}", of(&format!("{question},")), of("0123"));
    assert_eq!(cursor(&host), Some(Cursor { items: 1, digest }));
    // Before the first item there is nothing to take a digest of.
    let mut host = crate::scripted::host([giving(&[])]);
    part(&mut host, 4, &[&long]);
    let digest = format!("xxh3,0:{:032x}+4:{:032x}", 0, of("0123"));
    assert_eq!(cursor(&host), Some(Cursor { items: 0, digest }));
}

#[test]
fn an_item_that_was_rewritten_within_what_was_given_is_noticed() {
    let (first, long) = (assistant("a"), assistant("0123456789"));
    for rewritten in [
        vec![first.clone(), assistant("012x456789")],
        vec![first.clone(), assistant("01")],
        vec![first.clone(), assistant("01\u{20ac}456789")],
        vec![first.clone(), user("0123456789")],
        vec![first.clone(), r#"{"type":"reasoning","text":"0123456789"}"#.to_owned()],
        vec![first.clone()],
        vec![assistant("b"), long.clone()],
    ] {
        let mut host = host([giving(&[])]);
        assert_eq!(part(&mut host, 4, &[&first, &long]), given("a", false, false));
        assert_eq!(part(&mut host, 4, &[&first, &long]), given("0123", false, true));
        let items: Vec<&str> = rewritten.iter().map(String::as_str).collect();
        host.pods[0].exchanges.borrow_mut().clear();
        then(&host, &items);
        then(&host, &items);
        let output = read(&host).unwrap();
        assert_eq!(
            (&data(&output)["rewritten"], &data(&output)["continued"]),
            (&json!(true), &json!(false)),
            "{items:?}"
        );
        assert_eq!(output.content.as_deref(), rewritten[0].contains('b').then_some("b").or(Some("a")));
    }
}

#[test]
fn what_changes_behind_what_was_given_is_given_as_it_is_now() {
    let mut host = host([giving(&[])]);
    assert_eq!(part(&mut host, 4, &[&assistant("0123456")]), given("0123", false, true));
    // A text that grows, and one that has lost what was not given yet.
    assert_eq!(part(&mut host, 4, &[&assistant("0123456789")]), given("4567", true, true));
    assert_eq!(part(&mut host, 4, &[&assistant("01234567"), &assistant("b")]), given("b", false, false));
}

#[test]
fn an_answer_that_was_not_delivered_is_given_again() {
    let long = assistant("0123456789");
    let mut host = host([giving(&[])]);
    part(&mut host, 4, &[&long]);
    let before = cursor(&host);
    for _ in 0..2 {
        *host.pods[0].cursor.borrow_mut() = before.clone();
        assert_eq!(part(&mut host, 4, &[&long]), given("4567", true, true));
    }
}

#[test]
fn a_reader_without_a_bound_goes_on_within_an_item() {
    let (first, long, last) = (assistant("a"), assistant("0123456789"), assistant("b"));
    let items = [&*first, &long, &last];
    let mut host = host([giving(&[])]);
    part(&mut host, 4, &items);
    part(&mut host, 4, &items);
    host.bounds.max_output = None;
    host.pods[0].exchanges.borrow_mut().clear();
    then(&host, &items);
    let output = read(&host).unwrap();
    assert_eq!(output.content.as_deref(), Some("456789\n\nb"));
    assert_eq!((&data(&output)["continued"], &data(&output)["cut"]), (&json!(true), &json!(false)));
    assert_eq!(cursor(&host).unwrap().items, 3);
}

#[test]
fn the_parts_of_a_message_that_is_written_oddly_are_those_of_its_text() {
    // Several texts, refusals between them, texts that another member takes the place of, the role last.
    let part_of = |text: &str| format!(r#"{{"type":"text","text":"{text}"}}"#);
    let odd = format!(
        r#"{{"content":[{{"text":"gone","type":"refusal","refusal":"r"}}],"content":[{},{{"text":"{}","refusal":"r","type":"refusal"}},{{"text":"no, it is","text":"{}","type":"text"}},{}],"type":"message","role":"assistant"}}"#,
        part_of("0123"),
        "refused".repeat(9),
        "4567",
        part_of("89"),
    );
    let text = "0123\n\n4567\n\n89";
    for max in 1..=text.len() + 1 {
        for size in [1, 7, 1000] {
            let mut host = host([giving(&[])]);
            host.bounds.max_output = Some(max as u64);
            let mut whole = String::new();
            loop {
                host.pods[0].exchanges.borrow_mut().clear();
                let steps = history(&[&odd]).as_bytes().chunks(size).map(says).collect();
                host.pods[0].exchanges.borrow_mut().push_back(Ok(steps));
                let output = read(&host).unwrap();
                assert_eq!(data(&output)["rewritten"], false, "{max} by {size}: {whole}");
                let is_cut = data(&output)["cut"] == true;
                whole += &output.content.unwrap();
                if !is_cut {
                    break;
                }
            }
            assert_eq!(whole, text, "{max} by {size}");
        }
    }
}
