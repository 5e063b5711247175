//! The content of `read_cursors.json`: how far each pod's history was read, a JSON object a line.
//!
//! ```json
//! {"version":2}
//! {"pod":"child","items":3,"digest":"…"}
//! {"pod":"other","items":1,"digest":"…"}
//! {"pod":"child","items":4,"digest":"…"}
//! {"forgotten":"other"}
//! {"pod":"child","items":4,"digest":"…","reader":{"name":"NAME","items":2,"digest":"…"}}
//! {"forgotten":"other","reader":{"name":"NAME","items":1,"digest":"…"}}
//! ```
//!
//! Of the lines about a pod the last one counts. A member `reader` says how far a reader with a name has
//! read; what stands beside it is repeated, of the reader without one, who has read nothing where it is
//! `forgotten`: so a version that does not know the member reads its own cursors, as they are. A line without
//! the member changes no reader's cursor, but one that says `forgotten` and nothing else ends all of them.
//! Lines are added at the end, until there are many for what they say; then the file is written anew. What
//! follows the last line's end was begun by a process that was killed, and counts for nothing. Members that
//! are not known are ignored; a cursor that cannot be read is an error for its pod alone.
//!
//! Format 1, which is still read, was one object, written anew for every change:
//!
//! ```json
//! {"version":1,"pods":{"child":{"items":3,"digest":"…"}}}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::cursor::{ReaderCursors, StoredCursor};
use super::reader::Reader;
use crate::escape::Escaped;
use crate::files::json_error::Position;
use crate::files::raw_object::RawObject;

/// The format that is written, and the highest that is read.
const VERSION: u64 = 2;

/// More lines than this, and four for each pod, are too many.
const MANY_LINES: usize = 512;

/// The cursors, and the file that they are the content of.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    pods: BTreeMap<String, PodCursors>,
    /// Whether lines can be added to it: not to format 1, nor to a file that there is not.
    can_grow: bool,
    lines: usize,
    /// How long it is, in bytes, up to the end of its last line.
    length: u64,
}

/// How far one pod was read.
#[derive(Debug, Default)]
struct PodCursors {
    /// By the reader without a name.
    unnamed: Option<Entry>,
    named: ReaderCursors,
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
            Err(error) => Self::Unreadable { line: line(), why: Position(&error).to_string() },
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
struct Subject<'a> {
    pod: Option<String>,
    forgotten: Option<String>,
    #[serde(borrow)]
    reader: Option<&'a RawValue>,
}

/// How far a reader with a name has read, as it is written.
#[derive(Serialize, Deserialize)]
struct ReaderCursor<'a> {
    name: Cow<'a, str>,
    items: u64,
    digest: Cow<'a, str>,
}

/// A line as it is written.
#[derive(Serialize)]
#[serde(untagged)]
enum CursorLine<'a> {
    Version {
        version: u64,
    },
    Moved {
        pod: &'a str,
        items: u64,
        digest: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reader: Option<ReaderCursor<'a>>,
    },
    Unreadable {
        pod: &'a str,
        unreadable: &'a RawValue,
    },
    Forgotten {
        forgotten: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reader: Option<ReaderCursor<'a>>,
    },
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
            whole_or_first.map_err(|error| format!("it holds no object of cursors: {}", Position(&error)))?;
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
            .map_err(|error| format!("its `pods` cannot be read: {}", Position(&error)))?;
        let pods = pods.into_iter().map(|(name, raw)| {
            // Line breaks lie between values only: within a string they are escaped.
            let line = || {
                CursorLine::Unreadable { pod: &name, unreadable: raw }.render().replace(['\n', '\r'], " ")
                    + "\n"
            };
            let unnamed = Some(Entry::read(raw.get(), line));
            (name, PodCursors { unnamed, ..PodCursors::default() })
        });
        Ok(Self { pods: pods.collect(), ..Self::default() })
    }

    /// Takes in lines that follow what was read.
    fn extend(&mut self, text: &str) -> Result<(), String> {
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            self.lines += 1;
            self.length += line.len() as u64;
            match serde_json::from_str(line) {
                Ok(Subject { pod: Some(pod), forgotten: None, reader }) => {
                    let cursors = self.pods.entry(pod).or_default();
                    cursors.unnamed = Some(Entry::read(line, || line.to_owned()));
                    cursors.take_in(reader);
                }
                Ok(Subject { pod: None, forgotten: Some(pod), reader: None }) => drop(self.pods.remove(&pod)),
                Ok(Subject { pod: None, forgotten: Some(pod), reader }) => {
                    let cursors = self.pods.entry(pod).or_default();
                    cursors.unnamed = None;
                    cursors.take_in(reader);
                }
                Ok(_) => return Err(format!("its line {} is about no pod", self.lines + 1)),
                Err(error) => return Err(format!("its line {}: {}", self.lines + 1, Position(&error))),
            }
        }
        Ok(())
    }

    /// That reader's cursor for that pod.
    pub(super) fn get(&self, reader: Option<&Reader>, name: &str) -> Result<Option<&StoredCursor>, String> {
        let Some(PodCursors { unnamed, named }) = self.pods.get(name) else { return Ok(None) };
        match (reader, unnamed) {
            (Some(reader), _) => Ok(named.get(reader)),
            (None, Some(Entry::Cursor(cursor))) => Ok(Some(cursor)),
            (None, Some(Entry::Unreadable { why, .. })) => {
                Err(format!("the cursor of pod `{}`: {why}", Escaped(name)))
            }
            (None, None) => Ok(None),
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
    pub(super) fn change(&mut self, moved: Option<Moved<'_>>, forgotten: &[String]) -> Change {
        let mut lines = String::new();
        for pod in forgotten {
            self.pods.remove(pod);
            lines += &CursorLine::Forgotten { forgotten: pod, reader: None }.render();
        }
        if let Some(Moved { pod, reader, cursor }) = moved {
            let cursors = self.pods.entry(pod.to_owned()).or_default();
            match reader {
                Some(reader) => {
                    lines += &cursors.line(pod, Some((reader, &cursor)));
                    cursors.named.set(reader.clone(), cursor);
                }
                None => {
                    cursors.unnamed = Some(Entry::Cursor(cursor));
                    lines += &cursors.line(pod, None);
                }
            }
        }
        self.lines += lines.lines().count();
        if !self.can_grow || self.has_many_lines() {
            return Change::Replace(self.render());
        }
        self.length += lines.len() as u64;
        Change::Append(lines)
    }

    fn has_many_lines(&self) -> bool {
        let readers = || self.pods.values().map(|cursors| cursors.named.len()).sum::<usize>();
        let few = MANY_LINES + 4 * self.pods.len();
        self.lines > few && self.lines > few + 4 * readers()
    }

    /// All of them, as a new file.
    fn render(&self) -> String {
        let mut text = CursorLine::Version { version: VERSION }.render();
        for (pod, cursors) in &self.pods {
            if cursors.named.len() == 0 {
                text += &cursors.line(pod, None);
            }
            for reader in cursors.named.iter() {
                text += &cursors.line(pod, Some(reader));
            }
        }
        text
    }
}

impl PodCursors {
    /// Takes in how far a reader with a name has read. What says no such thing says nothing: that reader is
    /// given the text again.
    fn take_in(&mut self, reader: Option<&RawValue>) {
        let Some(raw) = reader else { return };
        if let Ok(ReaderCursor { name, items, digest }) = serde_json::from_str(raw.get())
            && let Ok(reader) = name.parse()
        {
            self.named.set(reader, StoredCursor { items, digest: digest.into_owned() });
        }
    }

    /// The line that says how far the reader without a name has read, and how far one with a name has.
    fn line(&self, pod: &str, reader: Option<(&Reader, &StoredCursor)>) -> String {
        let reader = reader.map(|(reader, StoredCursor { items, digest })| ReaderCursor {
            name: reader.as_str().into(),
            items: *items,
            digest: digest.into(),
        });
        match &self.unnamed {
            Some(Entry::Cursor(StoredCursor { items, digest })) => {
                CursorLine::Moved { pod, items: *items, digest, reader }.render()
            }
            Some(Entry::Unreadable { line, .. }) => with_reader(line, reader),
            None => CursorLine::Forgotten { forgotten: pod, reader }.render(),
        }
    }
}

/// The line of a cursor that cannot be read, with that reader's in place of the one that it holds.
fn with_reader(line: &str, reader: Option<ReaderCursor<'_>>) -> String {
    let object = serde_json::from_str::<RawObject>(line).ok();
    let reader = reader.and_then(|reader| serde_json::value::to_raw_value(&reader).ok());
    let (Some(mut object), Some(reader)) = (object, reader) else { return line.to_owned() };
    object.set("reader", reader);
    serde_json::to_string(&object).unwrap_or_default() + "\n"
}

/// A cursor that a reader moves.
#[derive(Debug)]
pub(super) struct Moved<'a> {
    pub(super) pod: &'a str,
    /// `None`: the reader without a name.
    pub(super) reader: Option<&'a Reader>,
    pub(super) cursor: StoredCursor,
}

/// What has to be done to the file.
#[derive(Debug)]
pub(super) enum Change {
    /// To be added at the end of its last line.
    Append(String),
    /// To take the place of it.
    Replace(String),
}
