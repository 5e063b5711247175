//! The text between the quotes of a JSON string, as it arrives in pieces: UTF-8 checked, escapes resolved, and
//! what there is of it handed on at once. Nothing is held of a string but what fits into a [`Word`].

use crate::marks::{LANES, plain_in_block, plain_run};

/// The strings that the protocol knows, told apart by comparing two numbers. Any longer one is like no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u128);

impl Word {
    /// In bytes.
    const LONGEST: usize = LANES - 1;
    const LONG: Self = Self(u128::MAX);

    /// The word for a constant: for patterns.
    pub(crate) const fn of(text: &str) -> Self {
        assert!(text.len() <= Self::LONGEST && text.is_ascii());
        let mut bytes = [0; LANES];
        bytes.split_at_mut(text.len()).0.copy_from_slice(text.as_bytes());
        Self::packed(bytes, text.len())
    }

    /// The text is followed by zeros, and its length by nothing.
    const fn packed(bytes: [u8; LANES], length: usize) -> Self {
        Self(u128::from_le_bytes(bytes) | (length as u128) << (8 * Self::LONGEST))
    }
}

/// Takes the text of a string.
#[derive(Debug)]
pub(crate) struct TextSink<'a> {
    pub(crate) text: &'a mut String,
    /// Of what goes beyond so many bytes, only the rest of a character is taken.
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
pub(crate) struct StringScan {
    escape: Escape,
    /// A surrogate that waits for its other half.
    high: Option<u16>,
    utf8: Utf8,
    /// The beginning of the text, followed by zeros; and how long the text is, or 255.
    word: [u8; LANES],
    length: u8,
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Begun,
    /// So many hexadecimal digits to come, and the value of those before.
    Hex(u8, u16),
}

impl StringScan {
    pub(crate) fn new() -> Self {
        Self { escape: Escape::None, high: None, utf8: Utf8::default(), word: [0; LANES], length: 0 }
    }

    /// The whole of a string that is a word without escapes, if that is what `bytes` begin with, and how many
    /// bytes there are of it, the closing quote included.
    pub(crate) fn whole_word(bytes: &[u8]) -> Option<(Word, usize)> {
        /// Keeps so many bytes of a block.
        const KEEP: [u128; LANES + 1] = {
            let mut masks = [u128::MAX; LANES + 1];
            let mut length = 0;
            while length < LANES {
                masks[length] = (1 << (8 * length)) - 1;
                length += 1;
            }
            masks
        };
        const NOT_ASCII: u128 = u128::from_ne_bytes([0x80; LANES]);
        let block = bytes.first_chunk::<LANES>()?;
        let length = plain_in_block(block);
        let text = u128::from_le_bytes(*block) & KEEP[length];
        let whole = block.get(length) == Some(&b'"') && text & NOT_ASCII == 0;
        whole.then(|| (Word::packed(text.to_le_bytes(), length), length + 1))
    }

    /// What the string is, when it is complete.
    pub(crate) fn word(&self) -> Word {
        if usize::from(self.length) <= Word::LONGEST {
            Word::packed(self.word, self.length.into())
        } else {
            Word::LONG
        }
    }

    /// Takes the string's next bytes; `true` when the closing quote is among them. `bytes` moves on behind what
    /// was consumed; when it fails, it begins with the byte that is not allowed.
    pub(crate) fn feed(
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
                    let Self { utf8, word, length, .. } = self;
                    let taken = utf8.take(run, |text| {
                        spell(word, length, text);
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
        spell(&mut self.word, &mut self.length, character.encode_utf8(&mut [0; 4]));
        if let Some(sink) = sink {
            sink.push(character);
        }
    }
}

const NOT_UTF8: &str = "it is not UTF-8";
const UNKNOWN_ESCAPE: &str = "an escape that JSON does not know";

/// Goes on with a word, or finds it to be too long for one.
fn spell(word: &mut [u8; LANES], length: &mut u8, text: &str) {
    let before = usize::from(*length);
    match word.get_mut(before..before + text.len()) {
        Some(room) => {
            room.copy_from_slice(text.as_bytes());
            *length += text.len() as u8;
        }
        None => *length = u8::MAX,
    }
}

/// UTF-8 that arrives in pieces: the bytes of a character that is cut.
#[derive(Clone, Copy, Debug, Default)]
struct Utf8 {
    cut: [u8; 4],
    length: u8,
}

impl Utf8 {
    fn is_complete(self) -> bool {
        self.length == 0
    }

    /// Hands on the whole characters. Fails with the place of the byte that cannot stand where it does.
    fn take(&mut self, bytes: &[u8], mut emit: impl FnMut(&str)) -> Result<(), usize> {
        let mut at = 0;
        while !self.is_complete() && at < bytes.len() {
            self.step(bytes[at], &mut emit).map_err(|()| at)?;
            at += 1;
        }
        let rest = &bytes[at..];
        let Err(fault) = simdutf8::compat::from_utf8(rest).map(&mut emit) else { return Ok(()) };
        let (valid, cut) = rest.split_at(fault.valid_up_to());
        emit(str::from_utf8(valid).unwrap_or_default());
        at += valid.len();
        // A character that is cut, or one that is none: then one of its bytes is at fault.
        cut.iter().zip(at..).try_for_each(|(&byte, at)| self.step(byte, &mut emit).map_err(|()| at))
    }

    /// The next byte of a character that is cut.
    fn step(&mut self, byte: u8, emit: impl FnOnce(&str)) -> Result<(), ()> {
        let length = usize::from(self.length) + 1;
        self.cut[length - 1] = byte;
        match str::from_utf8(&self.cut[..length]) {
            Ok(character) => {
                emit(character);
                self.length = 0;
            }
            Err(fault) if fault.error_len().is_some() => return Err(()),
            Err(_) => self.length += 1,
        }
        Ok(())
    }
}

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

    /// The same, which must not depend on how it is cut.
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
            let whole = StringScan::whole_word(line.as_bytes());
            assert!(whole.is_none_or(|(word, length)| (word == WORD) == is_word && length == raw.len() + 1));
            assert_eq!(whole.is_some(), raw.len() < 16 && raw.is_ascii() && !raw.contains('\\'), "{raw}");
        }
        let (empty, _) = StringScan::whole_word(br#"","message":"and so on"#).unwrap();
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
