//! One history item: whether it is a message, of whom, and its text. The item is walked through once, as its
//! bytes arrive; nothing is kept of it but the text that is given out. Of a member that is there twice, the last
//! one counts.

use crate::grammar::{Grammar, Token};
use crate::scan::{Nesting, NotJson};
use crate::string::{TextSink, Word};

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
struct Part {
    member: PartMember,
    /// Which member the type asks for.
    wants: PartMember,
    /// Where its text begins, with the empty line before it.
    start: usize,
    text: bool,
    refusal: bool,
}

const TYPE: Word = Word::of("type");
const ROLE: Word = Word::of("role");
const CONTENT: Word = Word::of("content");
const ID: Word = Word::of("id");
const STATUS: Word = Word::of("status");
const MESSAGE: Word = Word::of("message");
const ASSISTANT: Word = Word::of("assistant");
const USER: Word = Word::of("user");
const SYSTEM: Word = Word::of("system");
const INPROGRESS: Word = Word::of("inprogress");
const COMPLETED: Word = Word::of("completed");
const INCOMPLETE: Word = Word::of("incomplete");
const TEXT: Word = Word::of("text");
const REFUSAL: Word = Word::of("refusal");

/// An item that is being decoded.
pub(crate) struct ItemDecoder {
    grammar: Grammar,
    /// How many brackets are open around the item.
    outer: u32,
    shape: Shape,
    part: Part,
    /// Where the item's text begins.
    before: usize,
}

impl ItemDecoder {
    /// An item that begins with the next byte, within the brackets that are open around it. What there is of its
    /// text will be appended to `text`.
    pub(crate) fn new(around: Nesting, text: &str) -> Self {
        Self {
            grammar: Grammar::at_value(around),
            outer: around.depth(),
            shape: Shape {
                member: Member::Other,
                is_message: false,
                role: None,
                content: false,
                id: true,
                status: true,
            },
            part: Part::at(text.len()),
            before: text.len(),
        }
    }

    /// Takes the item's next bytes. When they hold its end: what it is, and how many of them belong to it. Then
    /// the text parts of a message have been appended to `text`, with an empty line between them and what `text`
    /// held already. Before that there may be what turns out not to be a message's text: the role mostly stands
    /// behind the content.
    pub(crate) fn feed(&mut self, bytes: &[u8], text: &mut String) -> Result<Option<(Item, usize)>, NotJson> {
        let mut rest = bytes;
        loop {
            let within = self.grammar.nesting().depth() - self.outer;
            let is_text = within == 3 && self.takes_text();
            let mut sink = TextSink { text, most: usize::MAX };
            let token = self.grammar.next(&mut rest, is_text.then_some(&mut sink));
            let token = token.map_err(|why| NotJson { why, at: bytes.len() - rest.len() })?;
            let Some(token) = token else { return Ok(None) };
            let within = self.grammar.nesting().depth() - self.outer;
            self.take(within, token, text);
            if within == 0 {
                return Ok(Some((self.item(text), bytes.len() - rest.len())));
            }
        }
    }

    /// Whether a string within a part is its text.
    fn takes_text(&self) -> bool {
        self.shape.member == Member::Content && self.shape.content && self.part.member == PartMember::Text
    }

    fn item(&self, text: &mut String) -> Item {
        match self.shape {
            Shape {
                is_message: true,
                role: Some(item @ (Item::Assistant | Item::User)),
                content: true,
                id: true,
                status: true,
                ..
            } => item,
            _ => {
                text.truncate(self.before);
                Item::Other
            }
        }
    }

    /// Takes a token, within so many brackets of the item.
    fn take(&mut self, within: u32, token: Token, text: &mut String) {
        let Self { grammar, shape, part, before, .. } = self;
        match (within, token) {
            (1, Token::Key) => {
                shape.member = match grammar.word() {
                    TYPE => Member::Type,
                    ROLE => Member::Role,
                    CONTENT => Member::Content,
                    ID => Member::Id,
                    STATUS => Member::Status,
                    _ => Member::Other,
                };
                // Until its value turns out to be one that is known.
                match shape.member {
                    Member::Type => shape.is_message = false,
                    Member::Role => shape.role = None,
                    Member::Content => {
                        shape.content = false;
                        text.truncate(*before);
                    }
                    Member::Id => shape.id = false,
                    Member::Status => shape.status = false,
                    Member::Other => {}
                }
            }
            (1, Token::Text) => match shape.member {
                Member::Type => shape.is_message = grammar.word() == MESSAGE,
                Member::Role => {
                    shape.role = match grammar.word() {
                        ASSISTANT => Some(Item::Assistant),
                        USER => Some(Item::User),
                        SYSTEM => Some(Item::Other),
                        _ => None,
                    }
                }
                Member::Id => shape.id = true,
                Member::Status => {
                    shape.status = matches!(grammar.word(), INPROGRESS | COMPLETED | INCOMPLETE)
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

            (3, Token::ObjectBegins) => *part = Part::at(text.len()),
            (3, Token::Key) => {
                part.member = match grammar.word() {
                    TYPE => PartMember::Type,
                    TEXT => PartMember::Text,
                    REFUSAL => PartMember::Refusal,
                    _ => PartMember::Other,
                };
                match part.member {
                    PartMember::Type => part.wants = PartMember::Other,
                    PartMember::Text => {
                        part.text = false;
                        text.truncate(part.start);
                        if part.start > 0 {
                            text.push_str("\n\n");
                        }
                    }
                    PartMember::Refusal => part.refusal = false,
                    PartMember::Other => {}
                }
            }
            (3, Token::Text) => match part.member {
                PartMember::Type => {
                    part.wants = match grammar.word() {
                        TEXT => PartMember::Text,
                        REFUSAL => PartMember::Refusal,
                        _ => PartMember::Other,
                    }
                }
                PartMember::Text => part.text = true,
                PartMember::Refusal => part.refusal = true,
                PartMember::Other => {}
            },
            (2, Token::Ends) => match part.wants {
                PartMember::Text => shape.content = part.text,
                PartMember::Refusal => {
                    text.truncate(part.start);
                    shape.content = part.refusal;
                }
                // A part of an unknown type: the message is left out whole.
                PartMember::Type | PartMember::Other => shape.content = false,
            },
            // A part that is no object.
            (2, Token::Text | Token::Scalar | Token::Null) | (3, Token::ArrayBegins) => shape.content = false,
            _ => {}
        }
    }
}

impl Part {
    fn at(start: usize) -> Self {
        Self { member: PartMember::Other, wants: PartMember::Other, start, text: false, refusal: false }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde_json::Value;

    use super::*;

    /// Decodes an item in pieces of `size`. The text of others than the assistant is left out.
    fn in_pieces(raw: &[u8], size: usize, out: &mut String) -> Result<Item, NotJson> {
        let before = out.len();
        let mut decoder = ItemDecoder::new(Nesting::default(), out);
        let mut fed = 0;
        // A number is complete with what stands behind it.
        for piece in [raw, b"\n"].concat().chunks(size) {
            let at = |fault: NotJson| NotJson { at: fed + fault.at, ..fault };
            if let Some((item, end)) = decoder.feed(piece, out).map_err(at)? {
                // What stands behind the item is the business of who called.
                let rest = &raw[fed + end..];
                if !rest.is_empty() {
                    return Err(NotJson { why: "something follows the value", at: fed + end });
                }
                if item != Item::Assistant {
                    out.truncate(before);
                }
                return Ok(item);
            }
            fed += piece.len();
        }
        Err(NotJson { why: "it ends within a value", at: raw.len() })
    }

    fn decode(raw: &[u8], out: &mut String) -> Result<Item, NotJson> {
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
            (b"tru", "a value should follow", 3),
            (b"1.", "a digit should follow", 2),
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
                (Err(_), Err(_)) => {}
                (found, specified) => prop_assert!(false, "{}: {:?}, {:?}", text, found, specified),
            }
        }
    }
}
