//! A JSON string that is there as a whole and valid UTF-8, such as a message to a pod. Blocks of the string
//! are copied as they are and cut where the next escape begins: in a text with many escapes this is quicker
//! than a search for the runs between them, and in a text with few escapes it is no slower.

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::marks::{LANES, plain_in_block};

/// The text of the string that `json` begins with, and the rest of `json` behind it. `None` where `json` does
/// not begin with a valid string, and where the string has a `\u` escape, which may be half a character: then
/// the caller needs a complete JSON parser.
pub(crate) fn unquote(json: &str) -> Option<(String, &str)> {
    let mut rest = json.strip_prefix('"')?.as_bytes();
    let mut text = Vec::with_capacity(rest.len() + LANES);
    loop {
        // The bytes behind the end are zeros, which no string can hold.
        let mut block = [0; LANES];
        match rest.first_chunk() {
            Some(whole) => block = *whole,
            None => block[..rest.len()].copy_from_slice(rest),
        }
        let plain = plain_in_block(&block);
        text.extend_from_slice(&block);
        text.truncate(text.len() - LANES + plain);
        rest = &rest[plain.min(rest.len())..];
        if plain == LANES {
            continue;
        }
        let (special, escape) = (rest.first()?, rest.get(1));
        if *special == b'"' {
            // What was replaced and cut off is ASCII, so the text is UTF-8 as `json` is.
            let rest = &json[json.len() - rest.len() + 1..];
            return Some((String::from_utf8(text).ok()?, rest));
        }
        if *special != b'\\' {
            return None;
        }
        text.push(match escape? {
            b'n' => b'\n',
            b'"' => b'"',
            b'\\' => b'\\',
            b'/' => b'/',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            _ => return None,
        });
        rest = &rest[2..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What serde makes of a string with something behind it.
    fn expected(json: &str) -> Option<(String, &str)> {
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<String>();
        let text = values.next()?.ok()?;
        Some((text, &json[values.byte_offset()..]))
    }

    #[test]
    fn a_string_is_what_serde_makes_of_it_or_left_to_serde() {
        let long = "0123456789abcde".repeat(3);
        for text in
            ["", "a", "\"", "\\", "\n", "\u{c}\u{8}\r\t/", "ä\u{20ac}\u{1f600}", "\u{7f}\u{80}", &long]
        {
            for before in 0..40 {
                let json = serde_json::to_string(&("x".repeat(before) + text)).unwrap();
                for behind in ["", ",", "\"", "}  \n and enough to fill a block"] {
                    let json = json.clone() + behind;
                    assert_eq!(unquote(&json), expected(&json), "{json}");
                }
                for end in (0..json.len()).filter(|end| json.is_char_boundary(*end)) {
                    assert_eq!(unquote(&json[..end]), None, "{json} without its end");
                }
            }
        }
        for json in [r#""\u0041""#, r#""\ud83d""#, r#""\x""#, "\"\n\"", "\"\0\"", "1", "", "x\"\"", "\"\\"] {
            assert_eq!(unquote(json), None, "{json}");
        }
        assert_eq!(unquote(r#""\/""#), Some(("/".into(), "")));
    }

    proptest! {
        #[test]
        fn no_text_is_another_one(text in "(?s:.|\\PC|[\"\\\\\\n]){0,80}", behind in "\\PC{0,20}") {
            let json = serde_json::to_string(&text).unwrap() + &behind;
            if let Some(found) = unquote(&json) {
                prop_assert_eq!(Some(found), expected(&json));
            } else {
                prop_assert!(json.contains("\\u"), "{}", json);
            }
        }

        #[test]
        fn whatever_is_taken_serde_takes_too(json in "\"(?s:.|\\\\[nrtbfu/\\\\\"]){0,60}\"") {
            if let Some(found) = unquote(&json) {
                prop_assert_eq!(Some(found), expected(&json));
            }
        }
    }
}
