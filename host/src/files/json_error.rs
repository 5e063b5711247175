//! What is wrong with a text of JSON, and where: nothing of the text itself.
//!
//! A path can be led to a file that the reader of the error may not read, and serde quotes what it finds.

use std::fmt;

use serde_json::error::Category;

/// Shows an error of serde without what it quotes.
pub(crate) struct Position<'a>(pub(crate) &'a serde_json::Error);

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.classify() {
            Category::Syntax => "no JSON",
            Category::Eof => "it ends too early",
            Category::Data => "something else than belongs there",
            Category::Io => "not readable",
        })?;
        match (self.0.line(), self.0.column()) {
            (0, _) => Ok(()),
            (line, column) => write!(f, " at line {line}, column {column}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_where_and_never_what() {
        for (text, shown) in [
            ("[1,\n  secret]", "no JSON at line 2, column 3"),
            ("[1, 2", "it ends too early at line 1, column 5"),
            ("[1,\n \"secret\"]", "something else than belongs there at line 2, column 9"),
        ] {
            let error = serde_json::from_str::<Vec<u8>>(text).unwrap_err();
            assert_eq!(Position(&error).to_string(), shown);
        }
    }
}
