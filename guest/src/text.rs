//! Text on its way out of JSON and on its way to a reader: JSON escapes resolved, and what could deceive a
//! reader (a newline in a pod's name forges a line of ListPods) shown escaped.

use std::fmt::{self, Write};

use crate::host::{Permission, ScopeRule};
use crate::scan::plain_run;

/// Shows text that somebody else chose on one line: control characters as `\n`, `\t`, `\u{1b}`, and so the
/// line and paragraph separators and the marks that turn the direction of writing. The rest is shown as it is.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_deceptive) {
            f.write_str(&rest[..at])?;
            let mut chars = rest[at..].chars();
            match chars.next() {
                Some('\n') => f.write_str("\\n")?,
                Some('\t') => f.write_str("\\t")?,
                Some('\r') => f.write_str("\\r")?,
                Some(other) => write!(f, "\\u{{{:x}}}", u32::from(other))?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most so many characters of a foreign text, for an error message.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => Shown(text).to_string(),
        Some((end, _)) => format!("{}…", Shown(&text[..end])),
    }
}

/// A pod's scope on one line.
pub(crate) fn scope_summary(scope: &[ScopeRule]) -> String {
    if scope.is_empty() {
        return "(none)".into();
    }
    let mut out = String::new();
    for rule in scope {
        let separator = if out.is_empty() { "" } else { ", " };
        let permission = match rule.permission {
            Permission::Read => "read",
            Permission::Write => "write",
        };
        let tag = if rule.recursive { "" } else { " [non-recursive]" };
        // Writing to a string cannot fail.
        let _ = write!(out, "{separator}{permission}:{}{tag}", Shown(&rule.target));
    }
    out
}

/// A time, in seconds: `5 s`, `0.25 s`.
pub(crate) fn seconds(milliseconds: u32) -> String {
    let (whole, rest) = (milliseconds / 1000, milliseconds % 1000);
    if rest == 0 {
        return format!("{whole} s");
    }
    let fraction = format!("{rest:03}");
    format!("{whole}.{} s", fraction.trim_end_matches('0'))
}

/// Appends what stands between the quotes of a JSON string, escapes resolved. A surrogate without its pair
/// becomes U+FFFD: JSON allows it, text does not, and one broken character is no reason to lose the rest.
pub(crate) fn unescape_into(raw: &str, out: &mut String) {
    out.reserve(raw.len());
    let mut rest = raw;
    loop {
        // A JSON string holds neither quotes nor control characters but behind a backslash.
        let plain = plain_run(rest.as_bytes());
        out.push_str(&rest[..plain]);
        let (Some(escape), Some(behind)) = (rest.as_bytes().get(plain + 1), rest.get(plain + 2..)) else {
            return;
        };
        rest = behind;
        match escape {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (character, consumed) = code_point(rest);
                out.push(character);
                rest = &rest[consumed..];
            }
            itself => out.push(char::from(*itself)),
        }
    }
}

/// The character whose escape goes on with `digits`, and how many bytes of that belong to it.
fn code_point(digits: &str) -> (char, usize) {
    const BROKEN: char = char::REPLACEMENT_CHARACTER;
    let unit = |text: &str| text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(digits) else { return (BROKEN, digits.len()) };
    if let 0xd800..0xdc00 = first
        && let Some(second) = digits[4..].strip_prefix("\\u").and_then(unit)
        && let 0xdc00..0xe000 = second
    {
        let both = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(both).unwrap_or(BROKEN), 10);
    }
    (char::from_u32(first).unwrap_or(BROKEN), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_shown_escaped_and_nothing_else() {
        for (text, shown) in [
            ("plain, with `ticks`, \"quotes\" and \\", "plain, with `ticks`, \"quotes\" and \\"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{0}\u{1b}[31m\u{7f}", "\\u{0}\\u{1b}[31m\\u{7f}"),
            ("\u{85}\u{9b}\u{a0}é", "\\u{85}\\u{9b}\u{a0}é"),
            (
                "\u{2027}\u{2028}\u{2029}\u{202a}\u{202e}\u{202f}",
                "\u{2027}\\u{2028}\\u{2029}\\u{202a}\\u{202e}\u{202f}",
            ),
            ("\u{2065}\u{2066}\u{2069}\u{206a}", "\u{2065}\\u{2066}\\u{2069}\u{206a}"),
            ("", ""),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
    }

    #[test]
    fn an_excerpt_is_cut_between_characters_and_says_so() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöü\n", 3), "äöü…");
        assert_eq!(excerpt("\näöü", 2), "\\nä…");
    }

    #[test]
    fn times_are_shown_in_seconds() {
        for (milliseconds, shown) in
            [(5000, "5 s"), (250, "0.25 s"), (1500, "1.5 s"), (1, "0.001 s"), (0, "0 s"), (60_050, "60.05 s")]
        {
            assert_eq!(seconds(milliseconds), shown);
        }
    }

    #[test]
    fn escapes_are_resolved_as_serde_json_does() {
        for raw in [
            r"",
            r"plain",
            r"\n",
            r#"\"\\\/\b\f\n\r\t"#,
            r"a\u0041\u00e9\u20AC\ud83d\ude00z",
            r"tail, long enough for a whole word of the search \u0000\\",
            r"é\né",
        ] {
            let mut out = String::from("before ");
            unescape_into(raw, &mut out);
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            assert_eq!(out, format!("before {expected}"));
        }
    }

    #[test]
    fn what_cannot_be_resolved_is_replaced_and_costs_nothing_else() {
        for (raw, expected) in [
            (r"a\ud83db", "a\u{fffd}b"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\n", "\u{fffd}\n"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ud83d\ue000", "\u{fffd}\u{e000}"),
            // Cut off: only the kept beginning of a long string ends so.
            (r"a\", "a"),
            (r"a\u00", "a\u{fffd}"),
            (r"a\ud83d\ud", "a\u{fffd}\u{fffd}"),
            (r"a\u", "a\u{fffd}"),
        ] {
            let mut out = String::new();
            unescape_into(raw, &mut out);
            assert_eq!(out, expected, "{raw}");
        }
    }
}
