//! Names and paths as they are shown: what could forge a line or steer a terminal is escaped.

use std::fmt::{self, Write};
use std::path::Path;

/// The most characters of a text that are shown. A plugin may ask for a pod by a name of megabytes, and what
/// is shown of it should not be a multiple of that.
const MAX_SHOWN: usize = 4096;

/// Shows a text with its control characters escaped (`\n`, `\t`, `\u{1b}`), invisible direction marks too;
/// what is beyond [`MAX_SHOWN`] is `…`.
pub(crate) struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, c) in self.0.chars().enumerate() {
            if i == MAX_SHOWN {
                return f.write_char('…');
            }
            if steers(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Whether a character could forge a line or steer a terminal.
pub(crate) fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shows a path the same way; bytes that are not UTF-8 become the replacement character.
pub(crate) struct EscapedPath<'a>(pub &'a Path);

impl fmt::Display for EscapedPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0.to_string_lossy()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_line_or_steer_a_terminal() {
        assert_eq!(
            Escaped("a\nb\tc\u{1b}[2J\u{202e}d \"e\" \\ é").to_string(),
            "a\\nb\\tc\\u{1b}[2J\\u{202e}d \"e\" \\ é"
        );
    }

    #[test]
    fn a_name_without_end_is_not_shown_without_end() {
        assert_eq!(Escaped(&"\n".repeat(MAX_SHOWN)).to_string(), "\\n".repeat(MAX_SHOWN));
        assert_eq!(Escaped(&"é".repeat(MAX_SHOWN + 1)).to_string(), "é".repeat(MAX_SHOWN) + "…");
    }
}
