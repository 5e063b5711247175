//! JSON Schemas that a plugin gives, as the texts that they are. The host runs none of them; clients and models'
//! runtimes may, so that what makes a schema a program is refused: references, which multiply its size or never end,
//! and patterns, which engines that go back and forth take exponential time for.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::data;

/// Bytes of one schema.
const MAX_BYTES: usize = 64 << 10;
/// Objects and arrays within each other.
const MAX_DEPTH: usize = 32;
/// Values of every kind.
const MAX_VALUES: usize = 10_000;

/// Members that no schema has, wherever they stand and whatever they hold.
const REFUSED: [&str; 7] =
    ["$ref", "$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor", "patternProperties"];

/// What the outermost value has to be, beside an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// It says `"type": "object"`.
    OfTypeObject,
    Any,
}

/// The schema on one line, or what is wrong with it. In time linear in its bytes.
pub(super) fn parse(text: String, root: Root) -> Result<Box<RawValue>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("has {} bytes; at most {MAX_BYTES} are taken", text.len()));
    }
    if !text.trim_start().starts_with('{') {
        return Err("is not a JSON object".to_owned());
    }
    let seen = Seen::default();
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = Value { seen: &seen, depth: 1 }.deserialize(&mut reader).and_then(|()| reader.end());
    if let Some(refused) = seen.refused.take() {
        return Err(refused);
    }
    read.map_err(|error| format!("is not JSON: {error}"))?;
    if root == Root::OfTypeObject && !seen.is_of_objects.get() {
        return Err("does not have the type `object` at its root".to_owned());
    }
    data::on_one_line(text).map_err(|error| format!("is not JSON: {error}"))
}

#[derive(Default)]
struct Seen {
    values: Cell<usize>,
    is_of_objects: Cell<bool>,
    refused: Cell<Option<String>>,
}

impl Seen {
    fn refuse<E: Error>(&self, why: String) -> E {
        self.refused.set(Some(why));
        E::custom("refused")
    }
}

/// A value at that depth; the outermost one has 1.
#[derive(Clone, Copy)]
struct Value<'a> {
    seen: &'a Seen,
    depth: usize,
}

impl<'a> Value<'a> {
    fn inner<E: Error>(self) -> Result<Value<'a>, E> {
        if self.depth > MAX_DEPTH {
            return Err(self.seen.refuse(format!("is more than {MAX_DEPTH} levels deep")));
        }
        Ok(Value { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let values = self.seen.values.get() + 1;
        self.seen.values.set(values);
        if values > MAX_VALUES {
            return Err(self.seen.refuse(format!("has more than {MAX_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while elements.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while let Some(name) = members.next_key::<String>()? {
            if let Some(refused) = REFUSED.iter().find(|refused| **refused == name) {
                return Err(self
                    .seen
                    .refuse(format!("has a `{refused}`, which no schema of a plugin may have")));
            }
            match name.as_str() {
                "type" if self.depth == 1 => {
                    let is = members.next_value_seed(Text(inner))?;
                    // The last one counts, for those who read it twice.
                    self.seen.is_of_objects.set(is.as_deref() == Some("object"));
                }
                // Not a property of that name: this holds a schema, and that a text.
                "pattern" => {
                    if members.next_value_seed(Text(inner))?.is_some() {
                        let why = "has a `pattern`, which no schema of a plugin may have: the plugin checks its \
                                   input itself";
                        return Err(self.seen.refuse(why.to_owned()));
                    }
                }
                _ => members.next_value_seed(inner)?,
            }
        }
        Ok(())
    }
}

/// A value, and the text that it is, if it is one.
struct Text<'a>(Value<'a>);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        self.0.visit_seq(elements).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        self.0.visit_map(members).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> Result<Box<RawValue>, String> {
        parse(text.to_owned(), Root::OfTypeObject)
    }

    #[track_caller]
    fn refuses(text: &str, words: &str) {
        let why = input(text).unwrap_err();
        assert!(why.contains(words), "{why}");
    }

    #[test]
    fn a_schema_stays_the_text_that_it_is_on_one_line() {
        let text = "{\"type\":\"object\",\n\"properties\":{\"pattern\":{\"type\":\"string\"},\"type\":true}}";
        assert_eq!(input(text).unwrap().get(), text.replace('\n', " "));
        assert!(parse("{}".to_owned(), Root::Any).is_ok());
    }

    #[test]
    fn what_is_no_object_of_objects_is_refused() {
        for text in ["", "[]", "true", "null", "7", "\"x\""] {
            refuses(text, "is not a JSON object");
        }
        for text in ["{", "{} {}", "{\"type\":}", "{\"a\":1e999}"] {
            refuses(text, "is not JSON");
        }
        let others = ["{}", r#"{"type":"string"}"#, r#"{"type":["object"]}"#];
        for text in others.into_iter().chain([r#"{"type":"object","type":7}"#, r#"{"a":{"type":"object"}}"#])
        {
            refuses(text, "does not have the type `object`");
        }
    }

    #[test]
    fn references_are_refused_wherever_they_stand_and_however_they_are_spelled() {
        for member in REFUSED.into_iter().chain(["$r\\u0065f"]) {
            for text in [
                format!(r##"{{"type":"object","{member}":"#"}}"##),
                format!(r##"{{"type":"object","allOf":[{{"a":[{{"{member}":{{}}}}]}}]}}"##),
                format!(r##"{{"type":{{"{member}":1}}}}"##),
                format!(r##"{{"pattern":[{{"{member}":1}}]}}"##),
            ] {
                refuses(&text, "which no schema of a plugin may have");
            }
        }
        refuses(r#"{"type":"object","properties":{"a":{"pattern":"(a+)+$"}}}"#, "has a `pattern`");
    }

    #[test]
    fn bytes_depth_and_values_are_bounded() {
        let padded = |bytes: usize| format!("{{\"type\":\"object\"{}}}", " ".repeat(bytes - 17));
        assert!(input(&padded(MAX_BYTES)).is_ok());
        refuses(&padded(MAX_BYTES + 1), "has 65537 bytes; at most 65536");
        let nested = |depth: usize| {
            format!("{{\"type\":\"object\",\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1))
        };
        assert!(input(&nested(MAX_DEPTH)).is_ok());
        for depth in [MAX_DEPTH + 1, 127, 30_000] {
            refuses(&nested(depth), "is more than 32 levels deep");
        }
        let many = |values: usize| format!("{{\"type\":\"object\",\"a\":[{}0]}}", "0,".repeat(values - 4));
        refuses(&many(MAX_VALUES + 4), "has more than 10000 values");
    }
}
