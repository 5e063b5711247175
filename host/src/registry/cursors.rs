//! `read_cursors.json`: how far each pod's history was read.
//!
//! ```json
//! {
//!   "version": 1,
//!   "pods": {
//!     "child": {"items":3,"digest":"…"}
//!   }
//! }
//! ```
//!
//! It is read and replaced whole. Every member is kept as it was found, those of other pods without being
//! looked at: one that cannot be read is an error for its pod alone.

use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;

use super::StoredCursor;
use crate::escape::Escaped;
use crate::raw_object::{RawObject, With};

/// The format that is written, and the highest that is read.
const VERSION: u64 = 1;

/// The content of the file.
#[derive(Debug)]
pub(super) struct Cursors {
    top: RawObject,
    pods: RawObject,
}

impl Cursors {
    /// Those of a file that does not exist.
    pub(super) fn none() -> Self {
        let mut top = RawObject::default();
        if let Ok(version) = to_raw_value(&VERSION) {
            top.set("version", version);
        }
        Self { top, pods: RawObject::default() }
    }

    /// Reads the file's content; the error says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        let top: RawObject = serde_json::from_slice(bytes)
            .map_err(|error| format!("it holds no object of cursors: {error}"))?;
        let version: u64 = member(&top, "version")?;
        if version > VERSION {
            return Err(format!("it has format {version}, and this version knows {VERSION} at most"));
        }
        let pods = member(&top, "pods")?;
        Ok(Self { top, pods })
    }

    /// The cursor of that pod.
    pub(super) fn get(&self, name: &str) -> Result<Option<StoredCursor>, String> {
        let Some(raw) = self.pods.get(name) else { return Ok(None) };
        let read = serde_json::from_str(raw.get());
        read.map(Some).map_err(|error| format!("the cursor of pod `{}`: {error}", Escaped(name)))
    }

    /// Replaces the numbers of a pod's cursor, and keeps what else is said in it.
    pub(super) fn set(&mut self, name: &str, cursor: &StoredCursor) -> Result<(), serde_json::Error> {
        let mut members: RawObject =
            self.pods.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        members.set("items", to_raw_value(&cursor.items)?);
        members.set("digest", to_raw_value(&cursor.digest)?);
        self.pods.set(name, to_raw_value(&members)?);
        Ok(())
    }

    /// Drops the cursors of pods whose name does not pass; whether there was one.
    pub(super) fn retain(&mut self, keep: impl FnMut(&str) -> bool) -> bool {
        self.pods.retain(keep)
    }

    /// The file's new content.
    pub(super) fn render(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&With { object: &self.top, name: "pods", value: &self.pods })
    }
}

/// A member that must be there.
fn member<T: DeserializeOwned>(object: &RawObject, name: &str) -> Result<T, String> {
    let raw = object.get(name).ok_or_else(|| format!("it has no `{name}`"))?;
    serde_json::from_str(raw.get()).map_err(|error| format!("its `{name}` cannot be read: {error}"))
}
