//! A strict JSON tokenizer for lines that arrive in pieces. It holds nothing of a line but the open brackets
//! and the last string if that is short, so lines of any length need the same memory. It accepts what RFC
//! 8259 accepts, in valid UTF-8, up to 128 levels deep.

use crate::json::nesting::Nesting;
use crate::json::string::{StringScan, TextSink};
use crate::json::word::Word;

/// A token of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    ObjectBegins,
    ArrayBegins,
    /// An object or an array ends.
    Ends,
    Key,
    /// A string that is not a key.
    Text,
    /// Another value or member follows.
    Comma,
    /// A number, `true` or `false`.
    Scalar,
    Null,
    /// The line's end, which is not consumed. The line's value is complete, or the line is blank.
    LineEnd,
}

/// What JSON allows next.
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
    String(StringScan),
    Number(Number),
    /// The rest of `true`, `false` or `null`, and the token that it completes.
    Literal(&'static [u8], Token),
}

/// The last thing seen of a number.
#[derive(Clone, Copy, Debug)]
enum Number {
    Minus,
    Zero,
    /// Its value, where it has no sign and fits.
    Integer(Option<u64>),
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// The tokenizer, at some place in a line.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    expect: Expect,
    nesting: Nesting,
    lexeme: Lexeme,
    /// The last key or string.
    word: Word,
    /// The last scalar, where it is a number without sign, point and exponent that fits.
    integer: Option<u64>,
}

impl Tokenizer {
    /// At the beginning of a line.
    pub(crate) fn new() -> Self {
        Self {
            expect: Expect::ValueOrLineEnd,
            nesting: Nesting::default(),
            lexeme: Lexeme::None,
            word: Word::of(""),
            integer: None,
        }
    }

    /// At a value of a line, inside the open brackets `around`.
    pub(crate) fn at_value(around: Nesting) -> Self {
        Self { expect: Expect::Value, nesting: around, ..Self::new() }
    }

    /// The brackets that are open.
    pub(crate) fn nesting(&self) -> Nesting {
        self.nesting
    }

    /// Whether the line holds nothing but white space so far.
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

    /// Goes on behind a value that was allowed here and that the caller has consumed.
    pub(crate) fn skip_value(&mut self) {
        self.value_is_complete();
    }

    /// The last key or string.
    pub(crate) fn word(&self) -> Word {
        self.word
    }

    /// The last scalar, where it is an integer from 0 to 2^64 - 1.
    pub(crate) fn integer(&self) -> Option<u64> {
        self.integer
    }

    /// The next token, or `None` when the bytes are used up. `bytes` moves on behind the bytes that were
    /// consumed. On failure `bytes` begins with the byte that is not allowed. The text of a string that is
    /// not a key goes to `text`, as far as the bytes hold it.
    pub(crate) fn next(
        &mut self,
        bytes: &mut &[u8],
        text: Option<&mut TextSink<'_>>,
    ) -> Result<Option<Token>, &'static str> {
        match self.lexeme {
            Lexeme::None => {}
            Lexeme::String(string) => {
                let is_key = self.expects_key();
                return self.string(string, bytes, text.filter(|_| !is_key));
            }
            Lexeme::Number(number) => return self.number(number, bytes),
            Lexeme::Literal(left, token) => return self.literal(left, token, bytes),
        }
        while let Some(&byte) = bytes.first() {
            let token = match (byte, self.expect) {
                (b' ' | b'\t' | b'\r', _) => None,
                (b'\n', Expect::ValueOrLineEnd | Expect::LineEnd) => return Ok(Some(Token::LineEnd)),
                (b'\n', _) => return Err("it ends within a value"),
                (b'"', Expect::Key | Expect::KeyOrEnd) => return self.begin_string(bytes, None),
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
                    return self.begin_value(byte, bytes, text);
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

    fn begin_value(
        &mut self,
        byte: u8,
        bytes: &mut &[u8],
        text: Option<&mut TextSink<'_>>,
    ) -> Result<Option<Token>, &'static str> {
        match byte {
            b'"' => return self.begin_string(bytes, text),
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
            b'1'..=b'9' => self.lexeme = Lexeme::Number(Number::Integer(Some(u64::from(byte - b'0')))),
            b't' => self.lexeme = Lexeme::Literal(b"rue", Token::Scalar),
            b'f' => self.lexeme = Lexeme::Literal(b"alse", Token::Scalar),
            b'n' => self.lexeme = Lexeme::Literal(b"ull", Token::Null),
            _ => return Err("a value should follow"),
        }
        *bytes = &bytes[1..];
        self.next(bytes, None)
    }

    fn begin_string(
        &mut self,
        bytes: &mut &[u8],
        text: Option<&mut TextSink<'_>>,
    ) -> Result<Option<Token>, &'static str> {
        *bytes = &bytes[1..];
        if text.is_none()
            && let Some((word, length)) = Word::whole(bytes)
        {
            *bytes = &bytes[length..];
            return Ok(Some(self.string_is_complete(word)));
        }
        self.string(StringScan::new(), bytes, text)
    }

    fn string(
        &mut self,
        mut string: StringScan,
        bytes: &mut &[u8],
        text: Option<&mut TextSink<'_>>,
    ) -> Result<Option<Token>, &'static str> {
        if !string.feed(bytes, text)? {
            self.lexeme = Lexeme::String(string);
            return Ok(None);
        }
        Ok(Some(self.string_is_complete(string.word())))
    }

    fn string_is_complete(&mut self, word: Word) -> Token {
        self.lexeme = Lexeme::None;
        self.word = word;
        if self.expects_key() {
            self.expect = Expect::Colon;
            return Token::Key;
        }
        self.value_is_complete();
        Token::Text
    }

    fn number(&mut self, mut number: Number, bytes: &mut &[u8]) -> Result<Option<Token>, &'static str> {
        while let Some(&byte) = bytes.first() {
            number = match (number, byte) {
                (Number::Minus, b'0') => Number::Zero,
                (Number::Minus, b'1'..=b'9') => Number::Integer(None),
                (Number::Integer(value), b'0'..=b'9') => Number::Integer(
                    value.and_then(|value| value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))),
                ),
                (Number::Zero | Number::Integer(_), b'.') => Number::Point,
                (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
                (Number::Zero | Number::Integer(_) | Number::Fraction, b'e' | b'E') => Number::Exponent,
                (Number::Exponent, b'+' | b'-') => Number::ExponentSign,
                (Number::Exponent | Number::ExponentSign | Number::ExponentDigits, b'0'..=b'9') => {
                    Number::ExponentDigits
                }
                (Number::Zero | Number::Integer(_) | Number::Fraction | Number::ExponentDigits, _) => {
                    self.integer = match number {
                        Number::Zero => Some(0),
                        Number::Integer(value) => value,
                        _ => None,
                    };
                    // Whether the byte may stand behind the number is checked with the next token.
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

    fn literal(
        &mut self,
        mut left: &'static [u8],
        token: Token,
        bytes: &mut &[u8],
    ) -> Result<Option<Token>, &'static str> {
        while let Some((expected, rest)) = left.split_first() {
            match bytes.first() {
                None => {
                    self.lexeme = Lexeme::Literal(left, token);
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

    fn expects_key(&self) -> bool {
        matches!(self.expect, Expect::Key | Expect::KeyOrEnd)
    }

    fn value_is_complete(&mut self) {
        self.expect = if self.nesting.depth() == 0 { Expect::LineEnd } else { Expect::CommaOrEnd };
    }
}

#[cfg(test)]
mod tests;
