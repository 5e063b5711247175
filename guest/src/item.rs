//! One history item: whether it is an assistant's message, and its text. The item is walked through once, in
//! place; nothing is allocated for it but the text that is given out. Of a member that is there twice, the
//! last one counts.

use crate::grammar::{Grammar, Token};
use crate::text::unescape_into;

/// What an item is to a reader of the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A message of the assistant.
    Assistant,
    /// A message of the user.
    User,
    /// Everything else, shapes that are not known included.
    Other,
}

/// An item that is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson {
    pub(crate) why: &'static str,
    /// The byte where that shows.
    pub(crate) at: usize,
}

/// The members that tell an item's shape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Type,
    Role,
    Content,
    Id,
    Status,
    Other,
}

/// The members of a part of a message's content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartMember {
    Type,
    Text,
    Refusal,
    Other,
}

/// What is known of an item.
struct Shape {
    member: Member,
    is_message: bool,
    /// The kind of item that the role makes of a message.
    role: Option<Item>,
    /// The content is a list, and all its parts were of known types so far.
    content: bool,
    id: bool,
    status: bool,
}

/// What is known of a part.
struct Part<'a> {
    member: PartMember,
    /// Which member the type asks for.
    wants: PartMember,
    text: Option<&'a [u8]>,
    refusal: bool,
}

impl Part<'_> {
    const EMPTY: Self =
        Self { member: PartMember::Other, wants: PartMember::Other, text: None, refusal: false };
}

/// Takes one item. The text parts of an assistant's message are appended to `out`, with an empty line
/// between them and what `out` holds already. The tokenizer is lent so that it need not be made anew.
pub(crate) fn decode(raw: &[u8], grammar: &mut Grammar, out: &mut String) -> Result<Item, NotJson> {
    let before = out.len();
    let item = decode_message(raw, grammar, out);
    if item != Ok(Item::Assistant) {
        out.truncate(before);
    }
    item
}

/// The same, for the messages of assistant and user both.
pub(crate) fn decode_message(raw: &[u8], grammar: &mut Grammar, out: &mut String) -> Result<Item, NotJson> {
    let before = out.len();
    grammar.reset();
    let item = walk(raw, grammar, out);
    if !matches!(item, Ok(Item::Assistant | Item::User)) {
        out.truncate(before);
    }
    item
}

/// Leaves in `out` what may turn out not to be an assistant's: the role mostly stands behind the content.
fn walk(raw: &[u8], grammar: &mut Grammar, out: &mut String) -> Result<Item, NotJson> {
    let before = out.len();
    let mut shape = Shape {
        member: Member::Other,
        is_message: false,
        role: None,
        content: false,
        id: true,
        status: true,
    };
    let mut part = Part::EMPTY;
    let mut rest = raw;
    loop {
        let token = grammar.next(&mut rest).map_err(|why| NotJson { why, at: raw.len() - rest.len() })?;
        let Some(token) = token else { break };
        let word = || grammar.text().unwrap_or_default();
        match (grammar.nesting().depth(), token) {
            (1, Token::Key) => {
                shape.member = match &*word() {
                    "type" => Member::Type,
                    "role" => Member::Role,
                    "content" => Member::Content,
                    "id" => Member::Id,
                    "status" => Member::Status,
                    _ => Member::Other,
                };
                // Until its value turns out to be one that is known.
                match shape.member {
                    Member::Type => shape.is_message = false,
                    Member::Role => shape.role = None,
                    Member::Content => {
                        shape.content = false;
                        out.truncate(before);
                    }
                    Member::Id => shape.id = false,
                    Member::Status => shape.status = false,
                    Member::Other => {}
                }
            }
            (1, Token::Text) => match shape.member {
                Member::Type => shape.is_message = word() == "message",
                Member::Role => {
                    shape.role = match &*word() {
                        "assistant" => Some(Item::Assistant),
                        "user" => Some(Item::User),
                        "system" => Some(Item::Other),
                        _ => None,
                    }
                }
                Member::Id => shape.id = true,
                Member::Status => {
                    shape.status = matches!(&*word(), "inprogress" | "completed" | "incomplete");
                }
                Member::Content | Member::Other => {}
            },
            (1, Token::Null) => match shape.member {
                Member::Id => shape.id = true,
                Member::Status => shape.status = true,
                _ => {}
            },
            (2, Token::ArrayBegins) if shape.member == Member::Content => shape.content = true,
            _ if shape.member != Member::Content || !shape.content => {}

            (3, Token::ObjectBegins) => part = Part::EMPTY,
            (3, Token::Key) => {
                part.member = match &*word() {
                    "type" => PartMember::Type,
                    "text" => PartMember::Text,
                    "refusal" => PartMember::Refusal,
                    _ => PartMember::Other,
                };
                match part.member {
                    PartMember::Type => part.wants = PartMember::Other,
                    PartMember::Text => part.text = None,
                    PartMember::Refusal => part.refusal = false,
                    PartMember::Other => {}
                }
            }
            (3, Token::Text) => match part.member {
                PartMember::Type => {
                    part.wants = match &*word() {
                        "text" => PartMember::Text,
                        "refusal" => PartMember::Refusal,
                        _ => PartMember::Other,
                    }
                }
                PartMember::Text => {
                    let end = raw.len() - rest.len() - 1;
                    part.text = raw.get(end - grammar.text_bytes()..end);
                }
                PartMember::Refusal => part.refusal = true,
                PartMember::Other => {}
            },
            (2, Token::Ends) => match part.wants {
                PartMember::Text => shape.content = append(part.text, out),
                PartMember::Refusal => shape.content = part.refusal,
                // A part of an unknown type: the message is left out whole.
                PartMember::Type | PartMember::Other => shape.content = false,
            },
            // A part that is no object.
            (2, Token::Text | Token::Scalar | Token::Null) | (3, Token::ArrayBegins) => shape.content = false,
            _ => {}
        }
    }
    // A number may have been complete only now.
    let fault = |why| NotJson { why, at: raw.len().saturating_sub(1) };
    while let Some(token) = grammar.next(&mut b"\n".as_slice()).map_err(fault)? {
        if token == Token::LineEnd {
            break;
        }
    }
    let Shape { is_message: true, role: Some(item), content: true, id: true, status: true, .. } = shape
    else {
        return Ok(Item::Other);
    };
    Ok(item)
}

/// Appends the text of a part, if it has one.
fn append(text: Option<&[u8]>, out: &mut String) -> bool {
    let Some(text) = text.and_then(|text| str::from_utf8(text).ok()) else { return false };
    if !out.is_empty() {
        out.push_str("\n\n");
    }
    unescape_into(text, out);
    true
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde_json::Value;

    use super::*;

    fn decode(raw: &[u8], out: &mut String) -> Result<Item, NotJson> {
        super::decode(raw, &mut Grammar::new(), out)
    }

    #[test]
    fn the_text_of_an_assistant_is_appended() {
        let mut out = String::from("before");
        let raw = br#"{"content":[{"text":"a\nb","type":"text"},{"refusal":"no","type":"refusal"},{"text":"c","type":"text"}],"role":"assistant","type":"message"}"#;
        assert_eq!(decode(raw, &mut out), Ok(Item::Assistant));
        assert_eq!(out, "before\n\na\nb\n\nc");
    }

    #[test]
    fn words_may_be_written_with_escapes() {
        let mut out = String::new();
        let raw = br#"{"typ\u0065":"m\u0065ssage","role":"assist\u0061nt","content":[{"type":"t\u0065xt","text":"a"}],"status":"\u0069nprogress"}"#;
        assert_eq!(decode(raw, &mut out), Ok(Item::Assistant));
        assert_eq!(out, "a");
    }

    #[test]
    fn a_message_with_an_unknown_part_leaves_nothing_behind() {
        let mut out = String::from("before");
        let raw = br#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a"},{"type":"image"}]}"#;
        assert_eq!(decode(raw, &mut out), Ok(Item::Other));
        assert_eq!(out, "before");
    }

    #[test]
    fn the_text_of_others_is_not_taken() {
        for (role, item) in [("user", Item::User), ("system", Item::Other)] {
            let mut out = String::new();
            let raw =
                format!(r#"{{"type":"message","role":"{role}","content":[{{"type":"text","text":"a"}}]}}"#);
            assert_eq!(decode(raw.as_bytes(), &mut out), Ok(item));
            assert_eq!(out, "");
        }
    }

    #[test]
    fn a_user_message_of_an_unknown_shape_is_not_one() {
        let raw = br#"{"type":"message","role":"user","content":[{"type":"audio","text":"a"}]}"#;
        assert_eq!(decode(raw, &mut String::new()), Ok(Item::Other));
    }

    #[test]
    fn of_a_member_that_is_there_twice_the_last_one_counts() {
        let mut out = String::new();
        let raw = br#"{"type":"x","content":[{"type":"text","text":"a"}],"role":"user","type":"message","content":[{"text":"b","type":"refusal","text":"c","type":"text"}],"role":"assistant"}"#;
        assert_eq!(decode(raw, &mut out), Ok(Item::Assistant));
        assert_eq!(out, "c");
        for raw in [
            r#"{"type":"message","role":"assistant","content":[],"role":5}"#,
            r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a","text":5}]}"#,
            r#"{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"a","refusal":5}]}"#,
            r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a"}],"content":{}}"#,
        ] {
            assert_eq!(decode(raw.as_bytes(), &mut String::new()), Ok(Item::Other), "{raw}");
        }
    }

    #[test]
    fn a_part_that_is_no_object_is_of_an_unknown_type() {
        for part in ["[]", r#"["text","b"]"#, "null", "1", "\"b\""] {
            let raw = format!(
                r#"{{"type":"message","role":"assistant","content":[{{"type":"text","text":"a"}},{part}]}}"#
            );
            let mut out = String::new();
            assert_eq!(decode(raw.as_bytes(), &mut out), Ok(Item::Other), "{raw}");
            assert_eq!(out, "");
        }
    }

    #[test]
    fn what_is_not_json_is_a_fault_with_its_place() {
        for (raw, why, at) in [
            (br#"{"type":"x","a":01}"#.as_slice(), "a comma or the closing bracket should follow", 17),
            (br#"{"type":"message","role":"user","content":[}"#, "a value should follow", 43),
            (b"{\"a\":\"\xff\"}", "it is not UTF-8", 6),
            (b"tru", "a value should follow", 2),
            (b"1.", "a digit should follow", 1),
        ] {
            let fault = NotJson { why, at };
            assert_eq!(decode(raw, &mut String::new()), Err(fault), "{}", String::from_utf8_lossy(raw));
        }
    }

    /// What the tool's specification does: deserialize from a `Value`, item by item.
    fn specified(raw: &str) -> Result<(Item, Vec<String>), serde_json::Error> {
        let value: Value = serde_json::from_str(raw)?;
        let optional_text = |key| matches!(value.get(key), None | Some(Value::Null | Value::String(_)));
        let status = value.get("status").and_then(Value::as_str).unwrap_or("completed");
        let role = value.get("role").and_then(Value::as_str);
        let known = value.get("type").and_then(Value::as_str) == Some("message")
            && optional_text("id")
            && optional_text("status")
            && ["inprogress", "completed", "incomplete"].contains(&status);
        let parts = value.get("content").and_then(Value::as_array).and_then(|parts| {
            let texts = parts.iter().map(|part| match part.get("type").and_then(Value::as_str)? {
                "text" => Some(Some(part.get("text")?.as_str()?.to_owned())),
                "refusal" => part.get("refusal")?.as_str().map(|_| None),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>()
        });
        Ok(match (known, role, parts) {
            (true, Some("assistant"), Some(texts)) => {
                (Item::Assistant, texts.into_iter().flatten().collect())
            }
            (true, Some("user"), Some(_)) => (Item::User, Vec::new()),
            _ => (Item::Other, Vec::new()),
        })
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
                (Err(_), Err(_)) => prop_assert_eq!(out, ""),
                (found, specified) => prop_assert!(false, "{}: {:?}, {:?}", text, found, specified),
            }
        }
    }
}
