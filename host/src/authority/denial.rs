//! What is said of a request that no grant covers: the pod, the operation, and exactly what to add where, so
//! that it would be allowed.

use std::fmt::{self, Write};
use std::path::Path;

use super::grant::Verb;
use super::operation::Operation;
use crate::error::{ErrorKind, Reason, ToolError};
use crate::escape::{Escaped, EscapedPath, steers};

/// The most characters of a name that a quoted line holds: more than any name of a directory. What is beyond
/// is covered by a `*`.
const MAX_QUOTED: usize = 255;

/// A request that no grant covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Denial<'a> {
    pub(crate) operation: Operation,
    pub(crate) missing: Verb,
    /// The pod; `None` where the request is for no particular one.
    pub(crate) name: Option<&'a str>,
    /// Where the grants are written, if that is a file.
    pub(crate) file: Option<&'a Path>,
}

impl From<Denial<'_>> for ToolError {
    fn from(denial: Denial<'_>) -> Self {
        Self::new(ErrorKind::Denied, Reason::NotGranted, denial.to_string())
    }
}

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, missing, name, file } = *self;
        if let Some(name) = name {
            write!(f, "pod `{}`: ", Escaped(name))?;
        }
        write!(f, "{operation} is not granted; ")?;
        match (file, name) {
            (Some(file), name) => {
                write!(f, "add the line `")?;
                write_line(f, missing, name)?;
                write!(f, "` to `grants` in {}", EscapedPath(file))
            }
            (None, Some(name)) => write!(f, "it takes the grant `{missing}:{}`", Escaped(name)),
            (None, None) => write!(f, "it takes the grant `{missing}`"),
        }
    }
}

/// The element of a TOML array that grants it: a basic string, and its comma.
fn write_line(f: &mut fmt::Formatter<'_>, verb: Verb, name: Option<&str>) -> fmt::Result {
    write!(f, "\"{verb}")?;
    // An empty pattern is none.
    let Some(name) = name.filter(|name| !name.is_empty()) else { return f.write_str("\",") };
    f.write_char(':')?;
    for (i, c) in name.chars().enumerate() {
        match c {
            _ if i == MAX_QUOTED => {
                f.write_char('*')?;
                break;
            }
            '"' | '\\' => write!(f, "\\{c}")?,
            c if steers(c) => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_str("\",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(name: Option<&str>, file: Option<&str>) -> String {
        let (operation, missing) = (Operation::SendMessage, Verb::Send);
        Denial { operation, missing, name, file: file.map(Path::new) }.to_string()
    }

    #[test]
    fn a_denial_names_the_pod_the_operation_and_the_missing_grant() {
        assert_eq!(
            denial(Some("x\ny"), None),
            "pod `x\\ny`: sending a message is not granted; it takes the grant `send:x\\ny`"
        );
        assert_eq!(denial(None, None), "sending a message is not granted; it takes the grant `send`");
    }

    #[test]
    fn where_grants_are_in_a_file_a_denial_quotes_the_line_to_add_to_it() {
        assert_eq!(
            denial(Some("worker-1"), Some("/etc/pods.toml")),
            "pod `worker-1`: sending a message is not granted; add the line `\"send:worker-1\",` to `grants` \
             in /etc/pods.toml"
        );
        assert_eq!(
            denial(None, Some("/etc/pods.toml")),
            "sending a message is not granted; add the line `\"send\",` to `grants` in /etc/pods.toml"
        );
    }

    #[test]
    fn a_quoted_line_is_a_string_of_toml_whatever_the_name() {
        let quoted = |name: &str| {
            let text = denial(Some(name), Some("/f"));
            let (_, line) = text.split_once("add the line `").unwrap();
            line.split_once("` to `grants`").unwrap().0.to_owned()
        };
        assert_eq!(quoted("a\"b\\c\nd\u{7f}\u{202e}"), r#""send:a\"b\\c\u000ad\u007f\u202e","#);
        // A name without end: the line would be, too, and a pattern says the same.
        assert_eq!(quoted(&"é".repeat(1000)), format!("\"send:{}*\",", "é".repeat(MAX_QUOTED)));
    }
}
