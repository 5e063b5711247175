//! Text that others chose, as it may reach a terminal: what would steer it is shown and not done. Which characters
//! steer is the library's to say ([`steers`]); here is what stands in their place.

use std::borrow::Cow;
use std::fmt::Write;

use pod_tools_host::escape::steers;

/// Text for people, of many lines: line ends and tabs are left as they are.
pub fn text(text: &str) -> Cow<'_, str> {
    replaced(text, |c| steers(c) && !matches!(c, '\n' | '\t'), |shown, c| shown.extend(c.escape_default()))
}

/// An entry of a log: beyond that, no line of it but the first begins as an entry does.
pub fn entry(entry: &str) -> Cow<'_, str> {
    let (entry, end) = entry.strip_suffix('\n').map_or((entry, ""), |entry| (entry, "\n"));
    let shown = text(entry);
    if end.is_empty() && !shown.contains('\n') { shown } else { (shown.replace('\n', "\n    ") + end).into() }
}

/// JSON: it stays the same document. Within a string such a character is an escape there, and between its tokens,
/// where only a carriage return can stand, a space.
pub fn json(json: &str) -> Cow<'_, str> {
    replaced(
        json,
        |c| steers(c) && !matches!(c, '\n' | '\t'),
        |shown, c| match c {
            '\r' => shown.push(' '),
            // All that steer are in the basic plane.
            c => write!(shown, "\\u{:04x}", u32::from(c)).expect("a string takes all that is written"),
        },
    )
}

fn replaced(text: &str, is_bad: impl Fn(char) -> bool, replace: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(&is_bad) else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(&text[..first]);
    for c in text[first..].chars() {
        if is_bad(c) { replace(&mut shown, c) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_tabs_stay_and_what_steers_is_shown() {
        assert_eq!(text("a\n\tb é"), "a\n\tb é");
        assert_eq!(
            text("\u{1b}[2J\r\u{7f}\u{9b}\u{202e}\u{2028}"),
            "\\u{1b}[2J\\r\\u{7f}\\u{9b}\\u{202e}\\u{2028}"
        );
    }

    #[test]
    fn an_entry_of_a_log_cannot_forge_another() {
        assert_eq!(entry("WARN it is so\n"), "WARN it is so\n");
        assert_eq!(entry("WARN `a\nERROR b`\n"), "WARN `a\n    ERROR b`\n");
        assert_eq!(entry("\u{1b}c"), "\\u{1b}c");
    }

    #[test]
    fn json_stays_the_same_document() {
        let document = "[\r\n\"a\u{7f}\u{9b}\u{202e}é\\n\"]\n";
        let shown = json(document);
        assert_eq!(shown, "[ \n\"a\\u007f\\u009b\\u202eé\\n\"]\n");
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&shown), read(document));
    }
}
