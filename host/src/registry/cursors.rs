//! The content of `read_cursors.json`: how far each pod's history was read, a JSON object a line.
//!
//! ```json
//! {"version":2}
//! {"pod":"child","items":3,"digest":"…"}
//! {"pod":"other","items":1,"digest":"…"}
//! {"pod":"child","items":4,"digest":"…"}
//! {"forgotten":"other"}
//! ```
//!
//! Of the lines about a pod the last one counts. Lines are added at the end, until there are many for what they
//! say; then the file is written anew. What follows the last line's end was begun by a process that was killed,
//! and counts for nothing. Members that are not known are ignored; a cursor that cannot be read is an error for
//! its pod alone.
//!
//! Format 1, which is still read, was one object, written anew for every change:
//!
//! ```json
//! {"version":1,"pods":{"child":{"items":3,"digest":"…"}}}
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::cursor::StoredCursor;
use crate::escape::Escaped;

/// The format that is written, and the highest that is read.
const VERSION: u64 = 2;

/// More lines than this, and four for each pod, are too many.
const MANY_LINES: usize = 512;

/// The cursors, and the file that they are the content of.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    pods: BTreeMap<String, Entry>,
    /// Whether lines can be added to it: not to format 1, nor to a file that there is not.
    can_grow: bool,
    lines: usize,
    /// How long it is, in bytes, up to the end of its last line.
    length: u64,
}

#[derive(Debug)]
enum Entry {
    Cursor(StoredCursor),
    /// A cursor that cannot be read: its line, which is kept, and why.
    Unreadable {
        line: String,
        why: String,
    },
}

impl Entry {
    fn read(json: &str, line: impl FnOnce() -> String) -> Self {
        match serde_json::from_str(json) {
            Ok(cursor) => Self::Cursor(cursor),
            Err(error) => Self::Unreadable { line: line(), why: error.to_string() },
        }
    }
}

/// The first line, or all of format 1.
#[derive(Deserialize)]
struct Header<'a> {
    version: u64,
    #[serde(borrow)]
    pods: Option<&'a RawValue>,
}

/// What a line is about.
#[derive(Deserialize)]
struct Subject {
    pod: Option<String>,
    forgotten: Option<String>,
}

/// A line as it is written.
#[derive(Serialize)]
#[serde(untagged)]
enum CursorLine<'a> {
    Version { version: u64 },
    Moved { pod: &'a str, items: u64, digest: &'a str },
    Unreadable { pod: &'a str, unreadable: &'a RawValue },
    Forgotten { forgotten: &'a str },
}

impl CursorLine<'_> {
    /// With its end. Only values that cannot fail to become JSON are in a line.
    fn render(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl Cursors {
    /// Reads the file's content; the error says what is wrong with it. `can_grow`: whether the file is open to
    /// be added to.
    pub(super) fn parse(bytes: &[u8], can_grow: bool) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let whole_or_first = serde_json::from_str(first).or_else(|_| serde_json::from_str(text));
        let header: Header<'_> =
            whole_or_first.map_err(|error| format!("it holds no object of cursors: {error}"))?;
        match header.version {
            VERSION if first.len() < text.len() => {
                let length = first.len() as u64 + 1;
                let mut cursors = Self { can_grow, length, ..Self::default() };
                cursors.extend(rest)?;
                Ok(cursors)
            }
            VERSION => Err("its first line has no end".into()),
            0..VERSION => Self::parse_format_1(&header),
            version => Err(format!("it has format {version}, and this version knows {VERSION} at most")),
        }
    }

    fn parse_format_1(header: &Header<'_>) -> Result<Self, String> {
        let pods = header.pods.ok_or("it has no `pods`")?;
        let pods: BTreeMap<String, &RawValue> = serde_json::from_str(pods.get())
            .map_err(|error| format!("its `pods` cannot be read: {error}"))?;
        let pods = pods.into_iter().map(|(name, raw)| {
            // Line breaks lie between values only: within a string they are escaped.
            let line = || {
                CursorLine::Unreadable { pod: &name, unreadable: raw }.render().replace(['\n', '\r'], " ")
                    + "\n"
            };
            let entry = Entry::read(raw.get(), line);
            (name, entry)
        });
        Ok(Self { pods: pods.collect(), ..Self::default() })
    }

    /// Takes in lines that follow what was read.
    fn extend(&mut self, text: &str) -> Result<(), String> {
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            self.lines += 1;
            self.length += line.len() as u64;
            match serde_json::from_str(line) {
                Ok(Subject { pod: Some(pod), forgotten: None }) => {
                    self.pods.insert(pod, Entry::read(line, || line.to_owned()));
                }
                Ok(Subject { pod: None, forgotten: Some(pod) }) => drop(self.pods.remove(&pod)),
                Ok(_) => return Err(format!("its line {} is about no pod", self.lines + 1)),
                Err(error) => return Err(format!("its line {}: {error}", self.lines + 1)),
            }
        }
        Ok(())
    }

    /// The cursor of that pod.
    pub(super) fn get(&self, name: &str) -> Result<Option<&StoredCursor>, String> {
        match self.pods.get(name) {
            Some(Entry::Cursor(cursor)) => Ok(Some(cursor)),
            Some(Entry::Unreadable { why, .. }) => {
                Err(format!("the cursor of pod `{}`: {why}", Escaped(name)))
            }
            None => Ok(None),
        }
    }

    /// Whether something is said of that pod, readable or not.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.pods.contains_key(name)
    }

    /// The pods of which something is said, readable or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pods.keys().map(String::as_str)
    }

    /// How long the file is, in bytes, up to the end of its last line.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Changes the cursors and gives what has to be done to the file.
    pub(super) fn change(&mut self, moved: Option<(&str, StoredCursor)>, forgotten: &[String]) -> Change {
        let mut lines = String::new();
        for pod in forgotten {
            self.pods.remove(pod);
            lines += &CursorLine::Forgotten { forgotten: pod }.render();
        }
        if let Some((pod, cursor)) = moved {
            lines += &CursorLine::Moved { pod, items: cursor.items, digest: &cursor.digest }.render();
            self.pods.insert(pod.to_owned(), Entry::Cursor(cursor));
        }
        self.lines += lines.lines().count();
        if !self.can_grow || self.lines > MANY_LINES + 4 * self.pods.len() {
            return Change::Replace(self.render());
        }
        self.length += lines.len() as u64;
        Change::Append(lines)
    }

    /// All of them, as a new file.
    fn render(&self) -> String {
        let mut text = CursorLine::Version { version: VERSION }.render();
        for (pod, entry) in &self.pods {
            match entry {
                Entry::Cursor(StoredCursor { items, digest }) => {
                    text += &CursorLine::Moved { pod, items: *items, digest }.render();
                }
                Entry::Unreadable { line, .. } => text += line,
            }
        }
        text
    }
}

/// What has to be done to the file.
#[derive(Debug)]
pub(super) enum Change {
    /// To be added at the end of its last line.
    Append(String),
    /// To take the place of it.
    Replace(String),
}
