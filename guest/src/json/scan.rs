//! The end of one JSON value, found in bytes that arrive in pieces by looking at strings, escapes and
//! brackets alone. A reader skips the known items of a history with this scan, so it is the hot loop of
//! reading the few new items of a long history.

use crate::json::marks::{BLOCK, Marks, escaped, plain_run, within_quotes};
use crate::json::nesting::Nesting;
use crate::json::not_json::NotJson;

#[derive(Clone, Copy, Debug)]
enum Mode {
    Start,
    Between,
    String,
    Escape,
    /// A number or a literal at the outermost level, which ends where something else begins.
    Scalar,
}

/// The scan of one value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueScan {
    nesting: Nesting,
    outer: u32,
    mode: Mode,
}

impl ValueScan {
    /// The scan of a value that begins with the next byte, inside the open brackets `nesting`.
    pub(crate) fn within(nesting: Nesting) -> Self {
        Self { nesting, outer: nesting.depth(), mode: Mode::Start }
    }

    /// Takes the next bytes. Gives how many of them belong to the value if they hold its end, and `None` if
    /// all of them do and more are needed.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        let mut at = 0;
        let fault = |why, at| NotJson { why, at };
        while let Some(&byte) = bytes.get(at) {
            if self.nesting.depth() > self.outer
                && let Some(block) = bytes[at..].first_chunk()
            {
                if let Some(end) = self.block(block).map_err(|fault| fault.behind(at))? {
                    return Ok(Some(at + end));
                }
                at += BLOCK;
                continue;
            }
            match self.mode {
                Mode::String => match byte {
                    b'"' => {
                        self.mode = Mode::Between;
                        if self.nesting.depth() == self.outer {
                            return Ok(Some(at + 1));
                        }
                    }
                    b'\\' => self.mode = Mode::Escape,
                    0..0x20 => return Err(fault(CONTROL, at)),
                    _ => at += plain_run(&bytes[at + 1..]),
                },
                Mode::Escape if byte < 0x20 => return Err(fault(CONTROL, at)),
                Mode::Escape => self.mode = Mode::String,
                Mode::Scalar => {
                    if matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') {
                        return Ok(Some(at));
                    }
                }
                Mode::Start | Mode::Between => match byte {
                    b'"' => self.mode = Mode::String,
                    b'{' | b'[' => {
                        self.nesting.open(byte).map_err(|why| fault(why, at))?;
                        self.mode = Mode::Between;
                    }
                    b'}' | b']' => {
                        self.nesting.close(byte).map_err(|why| fault(why, at))?;
                        if self.nesting.depth() == self.outer {
                            return Ok(Some(at + 1));
                        }
                    }
                    b'\n' => return Err(fault(LINE_END, at)),
                    b'\\' => return Err(fault(BACKSLASH, at)),
                    _ if matches!(self.mode, Mode::Start) => self.mode = Mode::Scalar,
                    _ => {}
                },
            }
            at += 1;
        }
        Ok(None)
    }

    /// Takes a whole block inside the value's brackets, all of its bytes at once.
    fn block(&mut self, block: &[u8; BLOCK]) -> Result<Option<usize>, NotJson> {
        let Marks { quotes, backslashes, brackets, controls } = Marks::of(block);
        let mut escape = matches!(self.mode, Mode::Escape);
        let begins_within = matches!(self.mode, Mode::String | Mode::Escape);
        let escaped = if backslashes == 0 && !escape { 0 } else { escaped(backslashes, &mut escape) };
        let strings = within_quotes(quotes & !escaped) ^ if begins_within { u64::MAX } else { 0 };

        let mut places = (brackets | backslashes) & !strings | controls;
        while places != 0 {
            let at = places.trailing_zeros() as usize;
            places &= places - 1;
            let fault = |why| NotJson { why, at };
            let byte = block[at];
            match byte {
                0..0x20 if strings >> at & 1 == 1 => return Err(fault(CONTROL)),
                b'\n' => return Err(fault(LINE_END)),
                b'\\' => return Err(fault(BACKSLASH)),
                b'{' | b'[' => self.nesting.open(byte).map_err(fault)?,
                b'}' | b']' => {
                    self.nesting.close(byte).map_err(fault)?;
                    if self.nesting.depth() == self.outer {
                        return Ok(Some(at + 1));
                    }
                }
                _ => {}
            }
        }
        self.mode = match strings >> (BLOCK - 1) {
            0 => Mode::Between,
            _ if escape => Mode::Escape,
            _ => Mode::String,
        };
        Ok(None)
    }
}

const CONTROL: &str = "a control character within a string";
const LINE_END: &str = "it ends within a value";
const BACKSLASH: &str = "a backslash outside a string";

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// The length of the value at the start of `text`, fed in pieces of `size`; or the fault, with its place.
    fn end(text: &[u8], size: usize) -> Result<Option<usize>, NotJson> {
        let mut scan = ValueScan::within(Nesting::default());
        let mut before = 0;
        for piece in text.chunks(size) {
            let end = scan.feed(piece).map_err(|fault| fault.behind(before))?;
            if let Some(end) = end {
                return Ok(Some(before + end));
            }
            before += piece.len();
        }
        Ok(None)
    }

    #[test]
    fn a_value_ends_where_its_brackets_or_its_quotes_close() {
        for (value, rest) in [
            (r#"{"a":"}","b":[1,{"c":"\"]\\"}]}"#, ","),
            (r#""a string, with \"quotes\" and \\""#, "]"),
            ("-12.5e3", ","),
            ("true", " ]"),
            ("[]", "]"),
            ("{}", ""),
        ] {
            let text = format!("{value}{rest}");
            for size in 1..=text.len() {
                assert_eq!(end(text.as_bytes(), size), Ok(Some(value.len())), "{text} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_value_without_its_end_needs_more() {
        for text in [r#"{"a":1"#, r#""abc\""#, "12", "[[]"] {
            assert_eq!(end(text.as_bytes(), 3), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_value_is_a_fault_however_it_is_cut() {
        for text in ["[}", "{]", "[\"a\nb\"]", "[1,\n2]", "[\"\\\n\"]", "}"] {
            for size in 1..=text.len() {
                assert!(end(text.as_bytes(), size).is_err(), "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let text = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(end(text(128).as_bytes(), 7), Ok(Some(256)));
        assert!(end(text(129).as_bytes(), 7).is_err());
    }

    proptest! {
        /// Pieces that are shorter than a block are scanned byte by byte.
        #[test]
        fn blocks_find_what_single_bytes_find(
            words in vec(select(vec![
                "\"", "\"", "\\", "\\\\", "\\\"", "{", "}", "[", "]", ",", "a", "text that is plain", "é", "\u{7f}",
                "[[", "]]", "\"}]", "[{\"", "{\"a\":\"b\"}", "\t", "\"\\\\\\\"\"",
            ]), 0..120),
            fault in proptest::option::weighted(0.1, select(vec!["\n", "\u{1}", "\\ ", "}", "\"\u{1f}"])),
            size in 64..400_usize,
        ) {
            let text = format!("[{}{}{}", words.concat(), fault.unwrap_or(""), words.concat());
            let text = text.as_bytes();
            prop_assert_eq!(end(text, size), end(text, 1));
            prop_assert_eq!(end(text, text.len()), end(text, 63));
        }
    }
}
