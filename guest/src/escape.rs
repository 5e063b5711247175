//! How text is shown that a pod or a spawner chose: characters that could deceive a reader are escaped. A
//! line end in a pod's name, shown as it is, would forge a line of ListPods.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// Shows text on one line: control characters as `\n`, `\t`, `\u{1b}`, and so the line and paragraph
/// separators and the marks that turn the direction of writing. All other characters are shown as they are.
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
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The beginning of a text for an error message, at most so many characters of it.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => Shown(text).to_string(),
        Some((end, _)) => format!("{}…", Shown(&text[..end])),
    }
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
            ("\u{61b}\u{61c}\u{200d}\u{200e}\u{200f}", "\u{61b}\\u{61c}\u{200d}\\u{200e}\\u{200f}"),
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
}
