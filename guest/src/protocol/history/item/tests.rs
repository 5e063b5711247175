//! The decoder of items, in pieces of any size, against a decoder that follows the tools' specification.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::*;

/// Decodes an item in pieces of `size`. The text of others than the assistant is left out.
fn in_pieces(raw: &[u8], size: usize, out: &mut String) -> Result<ItemKind, NotJson> {
    let before = out.len();
    let mut decoder = ItemDecoder::new(Nesting::default(), out.len(), false);
    let mut fed = 0;
    // A number is complete with what stands behind it.
    for piece in [raw, b"\n"].concat().chunks(size) {
        let at = |fault: NotJson| fault.behind(fed);
        if let Some((item, end)) = decoder.feed(piece, out).map_err(at)? {
            // What stands behind the item is for the caller to decode.
            let rest = &raw[fed + end..];
            if !rest.is_empty() {
                return Err(NotJson { why: "something follows the value", at: fed + end });
            }
            if item != ItemKind::Assistant {
                out.truncate(before);
            }
            return Ok(item);
        }
        fed += piece.len();
    }
    Err(NotJson { why: "it ends within a value", at: raw.len() })
}

fn decode(raw: &[u8], out: &mut String) -> Result<ItemKind, NotJson> {
    let before = out.clone();
    let whole = in_pieces(raw, raw.len() + 1, out);
    for size in 1..raw.len().min(40) {
        let mut again = before.clone();
        assert_eq!(in_pieces(raw, size, &mut again), whole, "{raw:?} in pieces of {size}");
        assert!(whole.is_err() || again == *out, "{raw:?} in pieces of {size}: {again}");
    }
    whole
}

#[test]
fn the_text_of_an_assistant_is_appended() {
    let mut out = String::from("before");
    let raw = br#"{"content":[{"text":"a\nb","type":"text"},{"refusal":"no","type":"refusal"},{"text":"c","type":"text"}],"role":"assistant","type":"message"}"#;
    assert_eq!(decode(raw, &mut out), Ok(ItemKind::Assistant));
    assert_eq!(out, "before\n\na\nb\n\nc");
}

#[test]
fn words_may_be_written_with_escapes() {
    let mut out = String::new();
    let raw = br#"{"typ\u0065":"m\u0065ssage","role":"assist\u0061nt","content":[{"type":"t\u0065xt","text":"a"}],"status":"\u0069nprogress"}"#;
    assert_eq!(decode(raw, &mut out), Ok(ItemKind::Assistant));
    assert_eq!(out, "a");
}

#[test]
fn a_message_with_an_unknown_part_leaves_nothing_behind() {
    let mut out = String::from("before");
    let raw =
        br#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a"},{"type":"image"}]}"#;
    assert_eq!(decode(raw, &mut out), Ok(ItemKind::Other));
    assert_eq!(out, "before");
}

#[test]
fn the_text_of_others_is_not_taken() {
    for (role, item) in [("user", ItemKind::User), ("system", ItemKind::Other)] {
        let mut out = String::new();
        let raw = format!(r#"{{"type":"message","role":"{role}","content":[{{"type":"text","text":"a"}}]}}"#);
        assert_eq!(decode(raw.as_bytes(), &mut out), Ok(item));
        assert_eq!(out, "");
    }
}

#[test]
fn a_user_message_of_an_unknown_shape_is_not_one() {
    let raw = br#"{"type":"message","role":"user","content":[{"type":"audio","text":"a"}]}"#;
    assert_eq!(decode(raw, &mut String::new()), Ok(ItemKind::Other));
}

#[test]
fn of_a_member_that_is_there_twice_the_last_one_counts() {
    let mut out = String::new();
    let raw = br#"{"type":"x","content":[{"type":"text","text":"a"}],"role":"user","type":"message","content":[{"text":"b","type":"refusal","text":"c","type":"text"}],"role":"assistant"}"#;
    assert_eq!(decode(raw, &mut out), Ok(ItemKind::Assistant));
    assert_eq!(out, "c");
    for raw in [
        r#"{"type":"message","role":"assistant","content":[],"role":5}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a","text":5}]}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"a","refusal":5}]}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a"}],"content":{}}"#,
    ] {
        assert_eq!(decode(raw.as_bytes(), &mut String::new()), Ok(ItemKind::Other), "{raw}");
    }
}

#[test]
fn a_part_that_is_no_object_is_of_an_unknown_type() {
    for part in ["[]", r#"["text","b"]"#, "null", "1", "\"b\""] {
        let raw = format!(
            r#"{{"type":"message","role":"assistant","content":[{{"type":"text","text":"a"}},{part}]}}"#
        );
        let mut out = String::new();
        assert_eq!(decode(raw.as_bytes(), &mut out), Ok(ItemKind::Other), "{raw}");
        assert_eq!(out, "");
    }
}

#[test]
fn what_is_not_json_is_a_fault_with_its_place() {
    for (raw, why, at) in [
        (br#"{"type":"x","a":01}"#.as_slice(), "a comma or the closing bracket should follow", 17),
        (br#"{"type":"message","role":"user","content":[}"#, "a value should follow", 43),
        (b"{\"a\":\"\xff\"}", "it is not UTF-8", 6),
        (b"tru", "a value should follow", 3),
        (b"1.", "a digit should follow", 2),
    ] {
        let fault = NotJson { why, at };
        assert_eq!(decode(raw, &mut String::new()), Err(fault), "{}", String::from_utf8_lossy(raw));
    }
}

/// The kind of an item and its text parts, decoded as the tools' specification does: from a `Value`, item by
/// item.
fn specified(raw: &str) -> Result<(ItemKind, Vec<String>), serde_json::Error> {
    let value: Value = serde_json::from_str(raw)?;
    let optional_text = |key| matches!(value.get(key), None | Some(Value::Null | Value::String(_)));
    let status = value.get("status").and_then(Value::as_str).unwrap_or("completed");
    let role = value.get("role").and_then(Value::as_str);
    let known = value.get("type").and_then(Value::as_str) == Some("message")
        && optional_text("id")
        && optional_text("status")
        && ["inprogress", "completed", "incomplete"].contains(&status);
    let texts = value.get("content").and_then(Value::as_array).and_then(|parts| specified_texts(parts));
    Ok(match (known, role, texts) {
        (true, Some("assistant"), Some(texts)) => (ItemKind::Assistant, texts),
        (true, Some("user"), Some(_)) => (ItemKind::User, Vec::new()),
        _ => (ItemKind::Other, Vec::new()),
    })
}

/// The text parts of a content; `None` where a part is of an unknown shape.
fn specified_texts(parts: &[Value]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for part in parts {
        let member = part.get("type")?.as_str()?;
        let value = match member {
            "text" | "refusal" => part.get(member)?.as_str()?,
            _ => return None,
        };
        if member == "text" {
            texts.push(value.to_owned());
        }
    }
    Some(texts)
}

fn object(members: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec(members, 0..6).prop_map(|members| format!("{{ {} }}", members.join(" , ")))
}

fn part() -> impl Strategy<Value = String> {
    let member = select(vec![
        r#""type":"text""#,
        r#""type":"text""#,
        r#""type":"refusal""#,
        r#""type":"image""#,
        r#""type":null"#,
        r#""text":"one\ntwo""#,
        r#""text":"\u00e9é""#,
        r#""text":["x"]"#,
        r#""refusal":"no""#,
        r#""refusal":{"type":"text"}"#,
        r#""more":{"type":"image","text":[{}]}"#,
    ]);
    prop_oneof![
        8 => object(member.prop_map(str::to_owned)),
        1 => select(vec!["1", "null", "\"text\"", "[]", r#"["text","x"]"#]).prop_map(str::to_owned),
    ]
}

fn item() -> impl Strategy<Value = String> {
    let content = vec(part(), 0..3).prop_map(|parts| format!("\"content\":[{}]", parts.join(",")));
    let member = select(vec![
        r#""type":"message""#,
        r#""type":"message""#,
        r#""type":"reasoning""#,
        r#""type":7"#,
        r#""role":"assistant""#,
        r#""role":"assistant""#,
        r#""role":"user""#,
        r#""role":"system""#,
        r#""role":["user"]"#,
        r#""content":null"#,
        r#""content":{"type":"text","text":"x"}"#,
        r#""content":"text""#,
        r#""id":"1""#,
        r#""id":null"#,
        r#""id":2"#,
        r#""status":"incomplete""#,
        r#""status":"odd""#,
        r#""status":{}"#,
        r#""more":[[{"type":"message"}]]"#,
    ]);
    let message =
        part().prop_map(|part| format!(r#""type":"message","role":"assistant","content":[{part}]"#));
    object(prop_oneof![3 => member.prop_map(str::to_owned), 1 => content, 1 => message])
}

proptest! {
    #[test]
    fn an_item_is_taken_as_the_specification_takes_it(
        raw in item(),
        fault in proptest::option::weighted(0.1, (any::<Index>(), select(b"\"\\{}[]:,01 x".to_vec()))),
    ) {
        let mut raw = raw.into_bytes();
        if let Some((place, byte)) = fault {
            let place = place.index(raw.len());
            raw[place] = byte;
        }
        let Ok(text) = str::from_utf8(&raw) else { return Ok(()) };
        let mut out = String::new();
        match (decode(&raw, &mut out), specified(text)) {
            (Ok(found), Ok((item, texts))) => {
                prop_assert_eq!(found, item, "{}", text);
                prop_assert_eq!(out, texts.join("\n\n"), "{}", text);
            }
            (Err(_), Err(_)) => {}
            (found, specified) => prop_assert!(false, "{}: {:?}, {:?}", text, found, specified),
        }
    }
}
