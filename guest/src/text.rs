//! Text on its way to a reader: what could deceive one (a newline in a pod's name forges a line of ListPods) is
//! shown escaped.

use std::fmt::{self, Write};

use crate::host::{Permission, ScopeRule};

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
}
