//! The conversation with a pod as a document: who said what, one message after the other.
//!
//! Every line of a message is indented, and nothing else is: no text can forge a speaker.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use crate::escape::Shown;
use crate::host::{Error, Host, Verb};
use crate::json::{Nesting, NotJson};
use crate::protocol::ItemSink;
use crate::protocol::history::{Excerpt, ItemDecoder, ItemKind, ItemText};
use crate::tools::get_history::get_history;

/// What begins a line of a message.
const INDENTATION: &str = "    ";

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// As in RFC 6838.
    pub media_type: &'static str,
    /// The document itself.
    pub text: String,
}

pub(crate) fn call<H: Host>(host: &H, name: &str) -> Result<Document, Error> {
    let pod = host.find(name, Verb::Read)?;
    let mut messages = Messages::at_most(host.bounds().max_output);
    get_history(host, &pod, &mut messages)
        .map_err(|failure| failure.during(format_args!("transcript of `{}`", Shown(name))))?;
    Ok(Document { media_type: "text/plain; charset=utf-8", text: messages.into_text() })
}

/// The newest messages of a history, as they are shown.
struct Messages {
    shown: VecDeque<String>,
    /// How many earlier ones did not fit.
    dropped: u64,
    /// Bytes of those that are kept, and how many there may be. Of one message, a character is kept whatever its
    /// length; what is said of those left out is not counted.
    bytes: u64,
    max: u64,
    /// The current item, and as much of its text as there is room for.
    decoder: ItemDecoder,
    text: Excerpt,
}

impl Messages {
    fn at_most(max: Option<u64>) -> Self {
        Self {
            shown: VecDeque::new(),
            dropped: 0,
            bytes: 0,
            max: max.unwrap_or(u64::MAX),
            decoder: ItemDecoder::new(Nesting::default(), 0, false),
            text: Excerpt::default(),
        }
    }

    fn take(&mut self, kind: ItemKind) {
        let room = self.room();
        let shown = match kind {
            ItemKind::Assistant => self.show("assistant"),
            ItemKind::User => self.show("user"),
            ItemKind::TurnFailed => {
                show("turn failed", self.decoder.failure().unwrap_or_default(), None, room)
            }
            ItemKind::Other => return,
        };
        self.bytes += shown.len() as u64;
        self.shown.push_back(shown);
        while self.bytes > self.max && self.shown.len() > 1 {
            self.bytes -= self.shown.pop_front().map_or(0, |shown| shown.len() as u64);
            self.dropped += 1;
        }
    }

    fn show(&mut self, speaker: &str) -> String {
        let (length, is_whole, room) = (self.text.length(), self.text.is_whole(), self.room());
        show(speaker, self.text.kept(), (!is_whole).then_some(length), room)
    }

    fn room(&self) -> usize {
        usize::try_from(self.max).unwrap_or(usize::MAX)
    }

    fn into_text(self) -> String {
        let mut text = String::new();
        if self.dropped > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "({} earlier message(s) left out)", self.dropped);
        }
        for shown in self.shown {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&shown);
        }
        text
    }
}

impl ItemSink for Messages {
    fn begin(&mut self, _: bool) {
        *self = Self::at_most(Some(self.max));
    }

    fn item_begins(&mut self, around: Nesting, _: u64) {
        self.text.begin(None, self.room(), true);
        self.decoder = ItemDecoder::new(around, 0, false);
    }

    fn item(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        let Some((kind, end)) = self.decoder.feed(bytes, &mut self.text)? else { return Ok(None) };
        self.take(kind);
        Ok(Some(end))
    }
}

/// A message with its speaker, in at most `max` bytes, but for one character and what says that it was cut. `text` is
/// its beginning where it has a `length`. Each line that any reader may take for one is indented.
fn show(speaker: &str, text: &str, length: Option<usize>, max: usize) -> String {
    const LINE_ENDS: [char; 7] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut lines = String::new();
    for line in text.replace("\r\n", "\n").split(LINE_ENDS) {
        if !line.is_empty() {
            lines.push_str(INDENTATION);
            lines.push_str(line);
        }
        lines.push('\n');
    }
    let room = max.saturating_sub(speaker.len() + ":\n\n".len());
    let one = lines
        .trim_start_matches(['\n', ' '])
        .chars()
        .next()
        .map_or(0, |first| lines.find(first).map_or(0, |at| at + first.len_utf8()));
    let end = lines.floor_char_boundary(room).max(one);
    if length.is_none() && end + 1 >= lines.len() {
        return format!("{speaker}:\n{lines}");
    }
    let length = length.unwrap_or(text.len());
    format!("{speaker} (cut, {length} bytes in all):\n{}\n", lines[..end.min(lines.len())].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_forges_a_speaker() {
        for text in ["a\nuser:\n    b", "a\ruser:", "a\r\nuser:", "a\u{2028}user:", "a\u{85}user:", "user:"] {
            let shown = show("assistant", text, None, usize::MAX);
            let flush = shown.lines().filter(|line| !line.is_empty() && !line.starts_with(INDENTATION));
            assert_eq!(flush.collect::<Vec<_>>(), ["assistant:"], "{text:?}");
            assert!(!shown.contains(['\r', '\u{2028}', '\u{85}']), "{text:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_between_characters_and_says_so() {
        for (text, max, expected) in [
            ("0123456789", 26, "assistant:\n    0123456789\n"),
            ("0123456789", 25, "assistant (cut, 10 bytes in all):\n    012345678\n"),
            ("\u{20ac}\u{20ac}", 20, "assistant (cut, 6 bytes in all):\n    \u{20ac}\n"),
            ("\u{20ac}\u{20ac}", 0, "assistant (cut, 6 bytes in all):\n    \u{20ac}\n"),
            ("a\n\nb", 23, "assistant (cut, 4 bytes in all):\n    a\n"),
            ("a\n\nb", 24, "assistant:\n    a\n\n    b\n"),
            ("", 0, "assistant:\n\n"),
        ] {
            let shown = show("assistant", text, None, max);
            assert_eq!(shown, expected, "{text:?} in {max}");
        }
        // The beginning of a longer one.
        assert_eq!(show("user", "ab", Some(900), 100), "user (cut, 900 bytes in all):\n    ab\n");
    }

    #[test]
    fn the_newest_messages_stay_and_one_always_does() {
        let item = |text| {
            format!(r#"{{"type":"message","role":"user","content":[{{"type":"text","text":"{text}"}}]}}"#)
        };
        for (max, expected) in [
            (None, "user:\n    a\n\nuser:\n    b\n\nuser:\n    c\n"),
            (Some(24), "(1 earlier message(s) left out)\n\nuser:\n    b\n\nuser:\n    c\n"),
            (Some(23), "(2 earlier message(s) left out)\n\nuser:\n    c\n"),
            (Some(0), "(2 earlier message(s) left out)\n\nuser:\n    c\n"),
        ] {
            let mut messages = Messages::at_most(max);
            for text in ["a", "b", "c"] {
                let item = item(text);
                let (beginning, end) = item.as_bytes().split_at(9);
                messages.item_begins(Nesting::default(), 0);
                assert_eq!(messages.item(beginning), Ok(None));
                assert_eq!(messages.item(end), Ok(Some(end.len())));
            }
            assert_eq!(messages.into_text(), expected, "{max:?}");
        }
    }
}
