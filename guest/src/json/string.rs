//! The text between the quotes of a JSON string, out of the pieces in which it arrives: UTF-8 is checked,
//! escapes are resolved, and the text of each piece is handed on at once. Nothing is held of a string but
//! what fits into a [`Word`].

use alloc::string::String;

use crate::json::marks::plain_run;
use crate::json::utf8::Utf8;
use crate::json::word::{Spelling, Word};

/// Takes the text of a string.
#[derive(Debug)]
pub(crate) struct TextSink<'a> {
    pub(crate) text: &'a mut String,
    /// How long the text may become, in bytes. It is cut behind the character that reaches this length.
    pub(crate) most: usize,
}

impl TextSink<'_> {
    fn push_str(&mut self, run: &str) {
        let room = self.most.saturating_sub(self.text.len());
        self.text.push_str(&run[..run.ceil_char_boundary(room)]);
    }

    fn push(&mut self, character: char) {
        if self.text.len() < self.most {
            self.text.push(character);
        }
    }
}

/// A string that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringScan {
    escape: Escape,
    /// A surrogate that waits for its other half.
    high: Option<u16>,
    utf8: Utf8,
    spelling: Spelling,
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Begun,
    /// How many hexadecimal digits are to come, and the value of those before.
    Hex(u8, u16),
}

impl StringScan {
    pub(super) fn new() -> Self {
        Self { escape: Escape::None, high: None, utf8: Utf8::default(), spelling: Spelling::new() }
    }

    /// What the string is, when it is complete.
    pub(super) fn word(&self) -> Word {
        self.spelling.word()
    }

    /// Takes the string's next bytes; `true` when the closing quote is among them. `bytes` moves on behind
    /// the bytes that were consumed. On failure `bytes` begins with the byte that is not allowed.
    pub(super) fn feed(
        &mut self,
        bytes: &mut &[u8],
        mut sink: Option<&mut TextSink<'_>>,
    ) -> Result<bool, &'static str> {
        loop {
            if let Escape::None = self.escape {
                let all = *bytes;
                let (run, rest) = all.split_at(plain_run(all));
                *bytes = rest;
                if !run.is_empty() {
                    self.emit_lone_surrogate(&mut sink);
                    let Self { utf8, spelling, .. } = self;
                    let taken = utf8.take(run, |text| {
                        spelling.push(text);
                        if let Some(sink) = &mut sink {
                            sink.push_str(text);
                        }
                    });
                    if let Err(at) = taken {
                        *bytes = &all[at..];
                        return Err(NOT_UTF8);
                    }
                }
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(false) };
            self.escape = match (self.escape, byte) {
                (Escape::None, _) if !self.utf8.is_complete() => return Err(NOT_UTF8),
                (Escape::None, b'\\') => Escape::Begun,
                (Escape::None, b'"') => {
                    self.emit_lone_surrogate(&mut sink);
                    *bytes = rest;
                    return Ok(true);
                }
                (Escape::None, _) => return Err("a control character within a string"),
                (Escape::Begun, b'u') => Escape::Hex(4, 0),
                (Escape::Begun, _) => {
                    let resolved = match byte {
                        b'"' | b'\\' | b'/' => byte,
                        b'b' => 0x8,
                        b'f' => 0xc,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return Err(UNKNOWN_ESCAPE),
                    };
                    self.emit_unit(resolved.into(), &mut sink);
                    Escape::None
                }
                (Escape::Hex(left, value), _) => {
                    let Some(digit) = char::from(byte).to_digit(16) else { return Err(UNKNOWN_ESCAPE) };
                    let value = value << 4 | digit as u16;
                    if left == 1 {
                        self.emit_unit(value, &mut sink);
                        Escape::None
                    } else {
                        Escape::Hex(left - 1, value)
                    }
                }
            };
            *bytes = rest;
        }
    }

    /// A UTF-16 code unit, as escapes give them. A surrogate without its pair becomes U+FFFD: JSON allows it,
    /// text does not, and one broken character is no reason to lose the rest.
    fn emit_unit(&mut self, unit: u16, sink: &mut Option<&mut TextSink<'_>>) {
        let character = match (self.high, unit) {
            (Some(high), 0xdc00..0xe000) => {
                self.high = None;
                char::decode_utf16([high, unit]).next().and_then(Result::ok)
            }
            _ => {
                self.emit_lone_surrogate(sink);
                if let 0xd800..0xdc00 = unit {
                    self.high = Some(unit);
                    return;
                }
                char::from_u32(unit.into())
            }
        };
        self.emit_char(character.unwrap_or(char::REPLACEMENT_CHARACTER), sink);
    }

    fn emit_lone_surrogate(&mut self, sink: &mut Option<&mut TextSink<'_>>) {
        if self.high.take().is_some() {
            self.emit_char(char::REPLACEMENT_CHARACTER, sink);
        }
    }

    fn emit_char(&mut self, character: char, sink: &mut Option<&mut TextSink<'_>>) {
        self.spelling.push(character.encode_utf8(&mut [0; 4]));
        if let Some(sink) = sink {
            sink.push(character);
        }
    }
}

const NOT_UTF8: &str = "it is not UTF-8";
const UNKNOWN_ESCAPE: &str = "an escape that JSON does not know";

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a string that is fed in pieces of `size`, and its word.
    fn read(raw: &[u8], size: usize, most: usize) -> Result<(String, Word), &'static str> {
        let mut scan = StringScan::new();
        let mut text = String::from("before ");
        let closed = [raw, b"\""].concat();
        let most = most.saturating_add(text.len());
        for mut piece in closed.chunks(size) {
            if scan.feed(&mut piece, Some(&mut TextSink { text: &mut text, most }))? {
                assert_eq!(piece, b"");
                return Ok((text.split_off("before ".len()), scan.word()));
            }
        }
        Err("it is not closed")
    }

    /// The text of a string, which must not depend on how the string is cut.
    #[track_caller]
    fn resolved(raw: &str) -> String {
        let whole = read(raw.as_bytes(), raw.len() + 1, usize::MAX).unwrap();
        for size in 1..=raw.len() {
            assert_eq!(read(raw.as_bytes(), size, usize::MAX).unwrap(), whole, "{raw} in pieces of {size}");
        }
        whole.0
    }

    #[test]
    fn escapes_are_resolved_as_serde_json_does() {
        for raw in [
            r"",
            r"plain",
            r"\n",
            r#"\"\\\/\b\f\n\r\t"#,
            r"a\u0041\u00e9\u20AC\ud83d\ude00z",
            r"tail, long enough for a whole block of the search \u0000\\",
            r"é\né\\😀",
        ] {
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            assert_eq!(resolved(raw), expected);
        }
    }

    #[test]
    fn a_surrogate_without_its_pair_is_replaced_and_costs_nothing_else() {
        for (raw, expected) in [
            (r"a\ud83db", "a\u{fffd}b"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\n", "\u{fffd}\n"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ud83d\ue000", "\u{fffd}\u{e000}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        ] {
            assert_eq!(resolved(raw), expected, "{raw}");
        }
    }

    #[test]
    fn a_word_is_itself_and_nothing_else() {
        const WORD: Word = Word::of("fifteen letters");
        for (raw, is_word) in [
            ("fifteen letters", true),
            (r"fifteen\u0020letters", true),
            ("sixteen letters!", false),
            ("fifteen letters!", false),
            ("fifteen letterſ", false),
            (r"fifteen letter\u0000", false),
            ("fifteen letter", false),
            ("", false),
        ] {
            for size in 1..=raw.len() + 1 {
                assert_eq!(read(raw.as_bytes(), size, 0).unwrap().1 == WORD, is_word, "{raw} by {size}");
            }
            let line = format!("{raw}\", and enough behind it for a block");
            let whole = Word::whole(line.as_bytes());
            assert!(whole.is_none_or(|(word, length)| (word == WORD) == is_word && length == raw.len() + 1));
            assert_eq!(whole.is_some(), raw.len() < 16 && raw.is_ascii() && !raw.contains('\\'), "{raw}");
        }
        let (empty, _) = Word::whole(br#"","message":"and so on"#).unwrap();
        assert_eq!(empty, Word::of(""));
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let raw = "aäöü\u{20ac}".repeat(9);
        for most in 0..raw.len() + 2 {
            let expected = &raw[..raw.ceil_char_boundary(most)];
            for size in [1, 2, 7, 80] {
                assert_eq!(
                    read(raw.as_bytes(), size, most).unwrap().0,
                    expected,
                    "{most} in pieces of {size}"
                );
            }
        }
    }
}
