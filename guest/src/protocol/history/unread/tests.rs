//! What is unread of a history, item by item.

use xxhash_rust::xxh3::xxh3_128;

use super::*;

const A: &str = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"aa"}]}"#;
const B: &str = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"bb"}]}"#;
const U: &str = r#"{"type":"message","role":"user","content":[{"type":"text","text":"u"}]}"#;

/// Gives an item in two pieces.
fn give(unread: &mut Unread, item: &str) {
    let (first, second) = item.as_bytes().split_at(item.len() / 3);
    unread.item_begins(Nesting::default(), unread.digest.length());
    assert_eq!(unread.item(first), Ok(None));
    assert_eq!(unread.item(&[second, b","].concat()), Ok(Some(second.len())));
}

/// What is unread behind `from`, where the items come one by one.
fn after(from: Position, max_text: Option<u64>, items: &[&str]) -> Unread<'static> {
    let from = Position { skip: 0, ..from };
    let mut unread = Unread::after(from, max_text, &|_| panic!("a short text is not handed over"));
    unread.begin(true);
    for item in items {
        give(&mut unread, item);
    }
    unread
}

fn position(items: &[&str]) -> Position {
    let bytes: String = items.iter().map(|item| format!("{item},")).collect();
    let skip = bytes.len() - items.last().map_or(0, |last| last.len() + 1);
    let digest = xxh3_128(bytes.as_bytes());
    Position { items: items.len() as u64, digest, skip: skip as u64, ..Position::START }
}

#[test]
fn what_follows_the_cursor_is_new() {
    let unread = after(position(&[A, U]), None, &[A, U, B]);
    assert!(unread.continues());
    assert_eq!(unread.end(), position(&[A, U, B]));
    assert_eq!((unread.new_items(), unread.remaining_items()), (1, 0));
    assert_eq!(unread.into_text().0, "bb");
}

#[test]
fn another_beginning_does_not_continue() {
    assert!(!after(position(&[A, U]), None, &[A, B, U]).continues());
    assert!(!after(position(&[A, U]), None, &[A]).continues());
    assert!(!after(position(&[A]), None, &[]).continues());
    assert!(after(Position::START, None, &[]).continues());
}

#[test]
fn items_below_the_cursor_are_not_decoded() {
    let from = Position { skip: 0, ..position(&["{not JSON}", "[nor this]", A]) };
    let mut unread = Unread::after(from, None, &|_| ());
    unread.begin(true);
    for item in ["{not JSON}", "[nor this]"] {
        give(&mut unread, item);
        assert!(matches!(unread.current, Current::Known(_)));
    }
    give(&mut unread, A);
    assert!(unread.continues());
    assert_eq!(unread.into_text().0, "");
}

#[test]
fn the_last_item_below_the_cursor_need_not_be_json() {
    let unread = after(position(&[A, "[no JSON]"]), None, &[A, "[no JSON]", B]);
    assert!(unread.continues());
    assert_eq!(unread.into_text().0, "bb");
}

#[test]
fn a_last_item_below_the_cursor_that_is_not_json_leaves_no_text() {
    let odd = format!(r#"{{"content":[{{"type":"text","text":"stale" x}}],"more":"{}"}}"#, "y".repeat(100));
    let unread = after(position(&[A, &odd]), None, &[A, &odd, B]);
    assert!(unread.continues());
    assert_eq!(unread.into_text().0, "bb");
}

#[test]
fn an_item_above_the_cursor_must_be_json() {
    let mut unread = Unread::after(Position::START, None, &|_| ());
    unread.begin(true);
    unread.item_begins(Nesting::default(), 0);
    assert_eq!(unread.item(b"[no"), Err(NotJson { why: "a value should follow", at: 2 }));
}

#[test]
fn items_whose_length_is_known_are_skipped_at_once() {
    let from = position(&["what", "ever", A]);
    let bytes = format!("what,ever,{A},{B}]");
    for size in 1..bytes.len() {
        let mut unread = Unread::after(from, None, &|_| ());
        unread.begin(true);
        unread.item_begins(Nesting::default(), 40);
        let mut end = None;
        for (index, piece) in bytes.as_bytes().chunks(size).enumerate() {
            match unread.item(piece).unwrap() {
                None => assert!(matches!(unread.current, Current::Skipped(..) | Current::LastKnown(..))),
                Some(taken) => {
                    end = Some(index * size + taken);
                    break;
                }
            }
        }
        assert_eq!(end, Some(bytes.len() - B.len() - 2), "in pieces of {size}");
        assert!(unread.continues());
        assert_eq!(unread.end(), from);
        unread.item_begins(Nesting::default(), 40 + bytes.len() as u64 - B.len() as u64 - 1);
        assert_eq!(unread.item(B.as_bytes()), Ok(Some(B.len())));
        assert_eq!(unread.end(), position(&["what", "ever", A, B]));
    }
}

#[test]
fn other_items_in_the_place_of_skipped_ones_are_noticed() {
    let from = position(&[A, A, A]);
    for (other, why) in [
        (format!("{A},{B},{A}]"), "the digest"),
        (format!("{U},{U},{U},{U},{U},{U}]"), "the digest"),
        (format!("{A}]}}}}\n"), "the end of the line"),
        (format!("{A},{A},]}}}}\n"), "no item where there was one"),
    ] {
        let mut unread = Unread::after(from, None, &|_| ());
        unread.begin(true);
        unread.item_begins(Nesting::default(), 0);
        assert!(unread.item(other.as_bytes()).is_err(), "{why}: {other}");
        assert!(unread.is_astray(), "{why}");
        assert!(!unread.no_skipping(), "{why}");
    }
}

#[test]
fn the_newest_item_is_known_wherever_it_lies() {
    assert!(after(Position::START, None, &[A, U]).ends_with_user());
    assert!(after(position(&[A]), None, &[A, U]).ends_with_user());
    assert!(after(position(&[A, U]), None, &[A, U]).ends_with_user());
    assert!(!after(position(&[A, U]), None, &[A, U, "{}"]).ends_with_user());
    assert!(!after(position(&[U, A]), None, &[U, A]).ends_with_user());
    assert!(!after(Position::START, None, &[]).ends_with_user());
    // More is left to read, and it is not looked at.
    assert!(!after(Position::START, Some(2), &[A, U, B, U]).ends_with_user());
}

#[test]
fn the_end_lies_behind_the_last_item_that_fits() {
    for (max, taken, text) in [(2, 2, "aa"), (5, 2, "aa"), (6, 4, "aa\n\nbb")] {
        let items = [A, U, B, U];
        let unread = after(Position::START, Some(max), &items);
        assert_eq!(unread.end(), position(&items[..taken]));
        assert_eq!(unread.remaining_items(), 4 - taken as u64);
        assert_eq!(unread.into_text().0, text);
    }
}

#[test]
fn a_long_text_is_handed_over_once_it_is_known_to_be_the_historys() {
    let item = |text: &str| {
        format!(r#"{{"type":"message","role":"assistant","content":[{{"type":"text","text":"{text}"}}]}}"#)
    };
    let long = "0123456789".repeat(SHORT / 10) + "\\n0123456789";
    let (long, short) = (item(&long), item("short"));
    let items = [&*long, &short, U, &long, &long, &short];
    let mut whole = None;
    for is_history in [false, true] {
        let handed = std::cell::RefCell::new(Vec::new());
        let hand_over = |text: &str| handed.borrow_mut().push(text.to_owned());
        let mut unread = Unread::after(Position::START, None, &hand_over);
        unread.begin(is_history);
        items.iter().for_each(|item| give(&mut unread, item));
        assert_eq!(unread.end(), position(&items));
        let (rest, lines) = unread.into_text();
        let handed = handed.into_inner();
        assert_eq!(handed.len(), if is_history { 3 } else { 0 });
        let text = handed.concat() + &rest;
        assert_eq!(lines, text.lines().count());
        assert_eq!(whole.get_or_insert_with(|| text.clone()), &text);
    }
}

#[test]
fn what_was_handed_over_counts_where_the_length_is_bounded() {
    let text = "0123456789".repeat(SHORT / 10 + 1);
    let long = A.replace("aa", &text);
    for (max, taken) in [(text.len(), 1), (2 * text.len() + 1, 1), (2 * text.len() + 2, 2), (usize::MAX, 3)] {
        let mut unread = Unread::after(Position::START, Some(max as u64), &|_| ());
        unread.begin(true);
        (0..3).for_each(|_| give(&mut unread, &long));
        assert_eq!((unread.new_items(), unread.remaining_items()), (taken, 3 - taken), "{max}");
    }
}
