//! A strict JSON tokenizer for lines that arrive in pieces. It holds nothing of a line but the brackets that
//! are open and the beginning of the last string, so a line may be as long as it likes; it accepts what
//! RFC 8259 accepts, in valid UTF-8, up to 128 levels deep.

use std::borrow::Cow;

use crate::scan::{Nesting, plain_run};
use crate::text::unescape_into;

/// How many bytes of a string are kept, escapes not yet resolved. Every word of the protocol fits, even
/// where each of its letters is written as an escape.
const KEPT_BYTES: usize = 1024;

/// What was found in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    ObjectBegins,
    ArrayBegins,
    /// An object or an array.
    Ends,
    /// A key; its text is kept.
    Key,
    /// A string that is not a key; its beginning is kept.
    Text,
    /// Another value or member follows.
    Comma,
    /// A number, `true` or `false`.
    Scalar,
    Null,
    /// The line's end, which is not consumed. The value is complete, or there is none.
    LineEnd,
}

/// Where JSON allows what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    ValueOrLineEnd,
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    LineEnd,
}

/// A token that has begun.
#[derive(Clone, Copy, Debug)]
enum Lexeme {
    None,
    String(Escape),
    Number(Number),
    /// What is left of `true`, `false` or `null`, and which token it will be.
    Word(&'static [u8], Token),
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Begun,
    /// So many hexadecimal digits to come.
    Hex(u8),
}

/// The last thing seen of a number.
#[derive(Clone, Copy, Debug)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// The tokenizer, at some place in a line.
#[derive(Debug)]
pub(crate) struct Grammar {
    expect: Expect,
    nesting: Nesting,
    lexeme: Lexeme,
    utf8: Utf8,
    /// The beginning of the last string, and the length of all of it.
    kept: Vec<u8>,
    length: usize,
}

impl Grammar {
    pub(crate) fn new() -> Self {
        Self {
            expect: Expect::ValueOrLineEnd,
            nesting: Nesting::default(),
            lexeme: Lexeme::None,
            utf8: Utf8::default(),
            kept: Vec::new(),
            length: 0,
        }
    }

    /// Forgets the line.
    pub(crate) fn reset(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        *self = Self { kept, ..Self::new() };
    }

    /// The brackets that are open.
    pub(crate) fn nesting(&self) -> Nesting {
        self.nesting
    }

    /// Whether nothing of a line was seen but white space.
    pub(crate) fn at_line_start(&self) -> bool {
        self.expect == Expect::ValueOrLineEnd && matches!(self.lexeme, Lexeme::None)
    }

    /// Whether the line's value is complete.
    pub(crate) fn at_line_end(&self) -> bool {
        self.expect == Expect::LineEnd
    }

    /// Whether `byte` would begin a value here.
    pub(crate) fn value_begins_with(&self, byte: u8) -> bool {
        matches!(self.expect, Expect::Value | Expect::ValueOrEnd)
            && matches!(self.lexeme, Lexeme::None)
            && matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    }

    /// Tells the tokenizer that somebody else has consumed a value that was allowed here.
    pub(crate) fn skip_value(&mut self) {
        self.value_is_complete();
    }

    /// How much memory is kept for strings.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// The last key or string, escapes resolved; `None` when it is too long to be a word of the protocol.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        if self.length > self.kept.len() {
            return None;
        }
        let raw = str::from_utf8(&self.kept).ok()?;
        Some(if raw.contains('\\') { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) })
    }

    /// How many bytes stand between the quotes of the last key or string.
    pub(crate) fn text_bytes(&self) -> usize {
        self.length
    }

    /// The last string as far as it was kept, escapes resolved: for people.
    pub(crate) fn beginning(&self) -> String {
        unescape(&String::from_utf8_lossy(&self.kept))
    }

    /// The next token, or `None` when the bytes are used up. `bytes` moves on behind what was consumed; when
    /// it fails, it begins with the byte that is not allowed.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Token>, &'static str> {
        match self.lexeme {
            Lexeme::None => {}
            Lexeme::String(escape) => return self.string(escape, bytes),
            Lexeme::Number(number) => return self.number(number, bytes),
            Lexeme::Word(left, token) => return self.word(left, token, bytes),
        }
        while let Some(&byte) = bytes.first() {
            let token = match (byte, self.expect) {
                (b' ' | b'\t' | b'\r', _) => None,
                (b'\n', Expect::ValueOrLineEnd | Expect::LineEnd) => return Ok(Some(Token::LineEnd)),
                (b'\n', _) => return Err("it ends within a value"),
                (b'"', Expect::Key | Expect::KeyOrEnd) => return self.begin_string(bytes),
                (b'}', Expect::KeyOrEnd | Expect::CommaOrEnd)
                | (b']', Expect::ValueOrEnd | Expect::CommaOrEnd) => {
                    self.nesting.close(byte)?;
                    self.value_is_complete();
                    Some(Token::Ends)
                }
                (b':', Expect::Colon) => {
                    self.expect = Expect::Value;
                    None
                }
                (b',', Expect::CommaOrEnd) => {
                    self.expect = if self.nesting.in_array() { Expect::Value } else { Expect::Key };
                    Some(Token::Comma)
                }
                (_, Expect::Value | Expect::ValueOrEnd | Expect::ValueOrLineEnd) => {
                    return self.begin_value(byte, bytes);
                }
                (_, Expect::Key | Expect::KeyOrEnd) => return Err("a key in double quotes should follow"),
                (_, Expect::Colon) => return Err("a colon should follow"),
                (_, Expect::CommaOrEnd) => return Err("a comma or the closing bracket should follow"),
                (_, Expect::LineEnd) => return Err("something follows the value"),
            };
            *bytes = &bytes[1..];
            if token.is_some() {
                return Ok(token);
            }
        }
        Ok(None)
    }

    fn begin_value(&mut self, byte: u8, bytes: &mut &[u8]) -> Result<Option<Token>, &'static str> {
        match byte {
            b'"' => return self.begin_string(bytes),
            b'{' | b'[' => {
                self.nesting.open(byte)?;
                *bytes = &bytes[1..];
                let (expect, token) = match byte {
                    b'{' => (Expect::KeyOrEnd, Token::ObjectBegins),
                    _ => (Expect::ValueOrEnd, Token::ArrayBegins),
                };
                self.expect = expect;
                return Ok(Some(token));
            }
            b'-' => self.lexeme = Lexeme::Number(Number::Minus),
            b'0' => self.lexeme = Lexeme::Number(Number::Zero),
            b'1'..=b'9' => self.lexeme = Lexeme::Number(Number::Integer),
            b't' => self.lexeme = Lexeme::Word(b"rue", Token::Scalar),
            b'f' => self.lexeme = Lexeme::Word(b"alse", Token::Scalar),
            b'n' => self.lexeme = Lexeme::Word(b"ull", Token::Null),
            _ => return Err("a value should follow"),
        }
        *bytes = &bytes[1..];
        self.next(bytes)
    }

    fn begin_string(&mut self, bytes: &mut &[u8]) -> Result<Option<Token>, &'static str> {
        self.kept.clear();
        self.length = 0;
        *bytes = &bytes[1..];
        self.string(Escape::None, bytes)
    }

    fn string(&mut self, mut escape: Escape, bytes: &mut &[u8]) -> Result<Option<Token>, &'static str> {
        let text = *bytes;
        let mut at = 0;
        let closed = loop {
            if let Escape::None = escape {
                at += plain_run(&text[at..]);
            }
            let Some(&byte) = text.get(at) else { break Ok(false) };
            escape = match (escape, byte) {
                (Escape::None, b'\\') => Escape::Begun,
                (Escape::None, b'"') => break Ok(true),
                (Escape::None, _) => break Err("a control character within a string"),
                (Escape::Begun, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Escape::None,
                (Escape::Begun, b'u') => Escape::Hex(4),
                (Escape::Hex(1), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Escape::None,
                (Escape::Hex(left), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Escape::Hex(left - 1),
                (Escape::Begun | Escape::Hex(_), _) => break Err("an escape that JSON does not know"),
            };
            at += 1;
        };
        // With the byte that ended the loop, if there is one: no character may be incomplete before it.
        if let Err(fault) = self.utf8.check(&text[..text.len().min(at + 1)]) {
            *bytes = &text[fault..];
            return Err("it is not UTF-8");
        }
        let room = KEPT_BYTES - self.kept.len();
        self.kept.extend_from_slice(&text[..at.min(room)]);
        self.length += at;
        *bytes = &text[at..];
        if !closed? {
            self.lexeme = Lexeme::String(escape);
            return Ok(None);
        }
        *bytes = &text[at + 1..];
        self.lexeme = Lexeme::None;
        if matches!(self.expect, Expect::Key | Expect::KeyOrEnd) {
            self.expect = Expect::Colon;
            return Ok(Some(Token::Key));
        }
        self.value_is_complete();
        Ok(Some(Token::Text))
    }

    fn number(&mut self, mut number: Number, bytes: &mut &[u8]) -> Result<Option<Token>, &'static str> {
        while let Some(&byte) = bytes.first() {
            number = match (number, byte) {
                (Number::Minus, b'0') => Number::Zero,
                (Number::Minus, b'1'..=b'9') | (Number::Integer, b'0'..=b'9') => Number::Integer,
                (Number::Zero | Number::Integer, b'.') => Number::Point,
                (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
                (Number::Zero | Number::Integer | Number::Fraction, b'e' | b'E') => Number::Exponent,
                (Number::Exponent, b'+' | b'-') => Number::ExponentSign,
                (Number::Exponent | Number::ExponentSign | Number::ExponentDigits, b'0'..=b'9') => {
                    Number::ExponentDigits
                }
                (Number::Zero | Number::Integer | Number::Fraction | Number::ExponentDigits, _) => {
                    // What may stand behind the number is the business of what comes next.
                    self.lexeme = Lexeme::None;
                    self.value_is_complete();
                    return Ok(Some(Token::Scalar));
                }
                _ => return Err("a digit should follow"),
            };
            *bytes = &bytes[1..];
        }
        self.lexeme = Lexeme::Number(number);
        Ok(None)
    }

    fn word(
        &mut self,
        mut left: &'static [u8],
        token: Token,
        bytes: &mut &[u8],
    ) -> Result<Option<Token>, &'static str> {
        while let Some((expected, rest)) = left.split_first() {
            match bytes.first() {
                None => {
                    self.lexeme = Lexeme::Word(left, token);
                    return Ok(None);
                }
                Some(byte) if byte == expected => *bytes = &bytes[1..],
                Some(_) => return Err("a value should follow"),
            }
            left = rest;
        }
        self.lexeme = Lexeme::None;
        self.value_is_complete();
        Ok(Some(token))
    }

    fn value_is_complete(&mut self) {
        self.expect = if self.nesting.depth() == 0 { Expect::LineEnd } else { Expect::CommaOrEnd };
    }
}

fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    unescape_into(raw, &mut text);
    text
}

/// Checks UTF-8 that arrives in pieces (table 3-7 of the Unicode standard).
#[derive(Debug, Default)]
struct Utf8 {
    /// So many bytes of a character to come, the next one within `low..=high`.
    left: u8,
    low: u8,
    high: u8,
}

impl Utf8 {
    fn complete(&self) -> bool {
        self.left == 0
    }

    /// Fails with the place of the byte that cannot stand where it does.
    fn check(&mut self, bytes: &[u8]) -> Result<(), usize> {
        // The standard library's check is the fast one; ours goes on where a character is cut.
        let checked = match str::from_utf8(bytes) {
            _ if !self.complete() => 0,
            Ok(_) => return Ok(()),
            Err(fault) => fault.valid_up_to(),
        };
        for (at, &byte) in bytes.iter().enumerate().skip(checked) {
            let (left, low, high) = match (self.left, byte) {
                (0, 0..=0x7f) => (0, 0, 0),
                (0, 0xc2..=0xdf) => (1, 0x80, 0xbf),
                (0, 0xe0) => (2, 0xa0, 0xbf),
                (0, 0xed) => (2, 0x80, 0x9f),
                (0, 0xe1..=0xef) => (2, 0x80, 0xbf),
                (0, 0xf0) => (3, 0x90, 0xbf),
                (0, 0xf1..=0xf3) => (3, 0x80, 0xbf),
                (0, 0xf4) => (3, 0x80, 0x8f),
                (1.., _) if (self.low..=self.high).contains(&byte) => (self.left - 1, 0x80, 0xbf),
                _ => return Err(at),
            };
            (self.left, self.low, self.high) = (left, low, high);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
