//! What others chose, as it is shown: what could forge a line or steer a terminal is escaped. Which characters these are
//! is decided here, for the library and for the command line.

use std::fmt::{self, Write};
use std::path::Path;

/// The most characters of a text that are shown. A plugin may ask for a pod by a name of megabytes, and what
/// is shown of it should not be a multiple of that.
const MAX_SHOWN: usize = 4096;

/// Shows a text with the characters that [steer](steers) escaped (`\n`, `\t`, `\u{1b}`); what is beyond 4096
/// characters is `…`.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

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

/// Whether a character could forge a line or steer a terminal: control characters (C0, DEL and C1), the line and
/// paragraph separators, and the marks that turn the direction of writing. The plugin's `escape.rs` has the same set.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Shows a path the same way; bytes that are not UTF-8 become the replacement character.
#[derive(Debug, Clone, Copy)]
pub struct EscapedPath<'a>(pub &'a Path);

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
        assert_eq!(
            Escaped("\u{61c}\u{200d}\u{200e}\u{200f}\u{2010}").to_string(),
            "\\u{61c}\u{200d}\\u{200e}\\u{200f}\u{2010}"
        );
    }

    #[test]
    fn a_name_without_end_is_not_shown_without_end() {
        assert_eq!(Escaped(&"\n".repeat(MAX_SHOWN)).to_string(), "\\n".repeat(MAX_SHOWN));
        assert_eq!(Escaped(&"é".repeat(MAX_SHOWN + 1)).to_string(), "é".repeat(MAX_SHOWN) + "…");
    }
}
