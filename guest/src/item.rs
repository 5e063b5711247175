//! One history item: whether it is an assistant's message, and its text. The item is parsed in place; nothing
//! is allocated for it but the text that is given out.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::object::Object;
use crate::text::unescape_into;

/// What an item is to a reader of the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A message of the assistant; its text was appended.
    Assistant,
    /// A message of the user.
    User,
    /// Everything else, shapes that are not known included.
    Other,
}

/// An item that is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson {
    pub(crate) why: String,
    /// The byte where that shows.
    pub(crate) at: usize,
}

impl NotJson {
    fn of(fault: &serde_json::Error) -> Self {
        // An item is within one line.
        let place = format!(" at line {} column {}", fault.line(), fault.column());
        let why = fault.to_string();
        let why = why.strip_suffix(&place).unwrap_or(&why).into();
        Self { why, at: fault.column().saturating_sub(1) }
    }
}

/// The members that tell an item's shape, not parsed yet. A repeated one makes the shape unknown.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

/// A part of a message's content.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
}

/// Takes one item. The text parts of an assistant's message are appended to `out`, with an empty line
/// between them and what `out` holds already.
pub(crate) fn decode(raw: &[u8], out: &mut String) -> Result<Item, NotJson> {
    let text = str::from_utf8(raw)
        .map_err(|fault| NotJson { why: "it is not UTF-8".into(), at: fault.valid_up_to() })?;
    let shape = match serde_json::from_str(text) {
        Ok(Object(shape)) => shape,
        Err(_) => {
            // JSON of a shape that is not known is no fault of the pod's.
            return match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => Ok(Item::Other),
                Err(fault) => Err(NotJson::of(&fault)),
            };
        }
    };
    Ok(message(&shape, out).unwrap_or(Item::Other))
}

/// `None`: not a message of the known shape.
fn message(shape: &Shape, out: &mut String) -> Option<Item> {
    if word(shape.kind)? != "message" {
        return None;
    }
    if let Some(id) = shape.id {
        string(id)?;
    }
    if let Some(status) = shape.status
        && !matches!(word(Some(status))?, "inprogress" | "completed" | "incomplete")
    {
        return None;
    }
    let item = match word(shape.role)? {
        "assistant" => Item::Assistant,
        "user" => Item::User,
        "system" => Item::Other,
        _ => return None,
    };
    let before = out.len();
    let wanted = if item == Item::Assistant { Some(&mut *out) } else { None };
    let parts = Parts(wanted).deserialize(&mut serde_json::Deserializer::from_str(shape.content?.get()));
    if parts.is_err() {
        // A part of an unknown type: the message is left out whole.
        out.truncate(before);
        return None;
    }
    Some(item)
}

/// What stands between the quotes, if the value is a string.
fn string(value: &RawValue) -> Option<&str> {
    value.get().strip_prefix('"')?.strip_suffix('"')
}

/// A string that is one of the protocol's words. Nobody writes those with escapes, but JSON allows it.
fn word(value: Option<&RawValue>) -> Option<&str> {
    const WORDS: [&str; 9] = [
        "message",
        "assistant",
        "user",
        "system",
        "text",
        "refusal",
        "inprogress",
        "completed",
        "incomplete",
    ];
    let raw = string(value?)?;
    if !raw.contains('\\') {
        return Some(raw);
    }
    let mut resolved = String::new();
    unescape_into(raw, &mut resolved);
    WORDS.into_iter().find(|word| *word == resolved)
}

/// The parts of a message; the text parts are appended where they are wanted.
struct Parts<'o>(Option<&'o mut String>);

impl<'de> DeserializeSeed<'de> for Parts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Parts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parts of a message")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut parts: A) -> Result<(), A::Error> {
        while let Some(Object(part)) = parts.next_element::<Object<Part>>()? {
            let value = match word(part.kind) {
                Some("text") => part.text,
                Some("refusal") => part.refusal,
                _ => None,
            };
            let Some(value) = value.and_then(string) else {
                return Err(serde::de::Error::custom("a part of an unknown type"));
            };
            if let Some(out) = &mut self.0
                && word(part.kind) == Some("text")
            {
                if !out.is_empty() {
                    out.push_str("\n\n");
                }
                unescape_into(value, out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_not_json_is_a_fault_with_its_place() {
        for (raw, why, at) in [
            (br#"{"type":"x","a":01}"#.as_slice(), "invalid number", 17),
            (br#"{"type":"message","role":"user","content":[}"#, "expected value", 43),
            (b"{\"a\":\"\xff\"}", "it is not UTF-8", 6),
            (b"tru", "EOF while parsing a value", 2),
        ] {
            let fault = NotJson { why: why.into(), at };
            assert_eq!(decode(raw, &mut String::new()), Err(fault), "{}", String::from_utf8_lossy(raw));
        }
    }
}
