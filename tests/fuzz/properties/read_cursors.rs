//! Read cursors, from any bytes: what one reader moves, no other loses; and a line that was not written to its end
//! counts for nothing.
//!
//! The first line of an input is what is done, a byte each; the rest is the file.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use pod_tools_host::registry::{FileRegistry, Reader, Record, Registry, StoredCursor};

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

const WAIT: Duration = Duration::from_secs(60);
const PODS: [&str; 3] = ["a", "b", ""];
const READERS: [Option<&str>; 3] = [None, Some("r"), Some("s")];
/// So much is done, at most.
const ACTS: usize = 24;
/// A registry keeps 32 readers of a pod, and forgets the one that has not read for longest.
const FEW_READERS: usize = 24;

fn record(pod: &str) -> Record {
    Record {
        pod_name: pod.to_owned(),
        socket_path: "/run/sock".into(),
        scope_delegated: Vec::new(),
        callback_address: None,
        fence: None,
    }
}

fn reader(name: Option<&str>) -> Option<Reader> {
    name.map(|name| name.parse().unwrap())
}

/// A cursor, or none; an error where it cannot be read.
type Cell = Result<Option<StoredCursor>, ()>;

/// All cursors of these pods and readers.
fn cells(registry: &FileRegistry) -> Vec<Cell> {
    let pairs = PODS.into_iter().flat_map(|pod| READERS.map(|name| (pod, reader(name))));
    pairs.map(|(pod, reader)| registry.cursor(reader.as_ref(), pod).map_err(drop)).collect()
}

/// The property of a file of these bytes, to which is done what the first line says.
pub fn check(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (acts, content) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("read_cursors.json");
    let open = || FileRegistry::open(directory.path()).unwrap();
    let mut registry = open();
    PODS.iter().for_each(|pod| registry.add(&record(pod), WAIT).unwrap());
    if !content.is_empty() {
        fs::write(&file, content).unwrap();
    }
    let mut expected = cells(&registry);
    let readers = String::from_utf8_lossy(content).matches("reader").count();
    let is_damaged = expected.iter().all(Result::is_err);
    let mut is_ours = false;
    for (number, &act) in acts.iter().take(ACTS).enumerate() {
        let (pod, reads, act) = (usize::from(act) % 3, usize::from(act) / 3 % 3, act / 9 % 4);
        let cell = 3 * pod + reads;
        match act {
            0 if readers < FEW_READERS => {
                let before = fs::read(&file).ok();
                let base = expected[cell].clone();
                let new = StoredCursor { items: number as u64, digest: format!("d{number}") };
                let reader = reader(READERS[reads]);
                let moved = registry.set_cursor(
                    reader.as_ref(),
                    PODS[pod],
                    base.as_ref().ok().and_then(Option::as_ref),
                    new.clone(),
                    WAIT,
                );
                if base.is_ok() && !is_damaged {
                    moved.unwrap();
                    expected[cell] = Ok(Some(new));
                    is_ours = true;
                } else {
                    moved.unwrap_err();
                    assert_eq!(fs::read(&file).ok(), before);
                }
            }
            1 if !is_damaged => {
                registry.remove(&record(PODS[pod]), WAIT).unwrap();
                registry.add(&record(PODS[pod]), WAIT).unwrap();
                expected[3 * pod..3 * pod + 3].fill(Ok(None));
            }
            // A writer was killed. What is not ours may be the older format, which is one object.
            2 if is_ours && file.exists() => {
                let line = br#"{"pod":"a","items":77,"digest":"torn"}"#;
                tear(&file, &line[..line.len() * (reads + 1) / 3]);
            }
            _ => registry = open(),
        }
        assert_eq!(cells(&registry), expected);
        assert_eq!(cells(&open()), expected);
    }
}

fn tear(file: &Path, line: &[u8]) {
    fs::File::options().append(true).open(file).unwrap().write_all(line).unwrap();
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_cursors_rules() {
    corpus::check_each("read-cursors", check);
}
