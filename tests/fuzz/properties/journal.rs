//! The scope table and its journal, as a kill or a native process may leave them: whatever of the two is torn, the
//! next process finds the old table or the new one, and no allocation of a living pod is lost.
//!
//! An input is four parts with lines of `---` between them: what has happened (a byte, and where it was cut off), the
//! old table, the new one, and one that a native process has written since.

use std::convert::Infallible;
use std::fs;
use std::time::Duration;

use pod_tools_host::scope::{Allocation, ScopeLock, Table};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

const WAIT: Duration = Duration::from_secs(60);

fn digest(bytes: &[u8]) -> Vec<u8> {
    format!("{:032x}\n", xxh3_128(bytes)).into_bytes()
}

/// The parts, the last of which may hold the line between them.
fn parts(bytes: &[u8]) -> [&[u8]; 4] {
    const BETWEEN: &[u8] = b"\n---\n";
    let mut parts = [&[][..]; 4];
    let mut rest = bytes;
    for part in &mut parts[..3] {
        let end = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        let end = end.unwrap_or(rest.len());
        (*part, rest) = (&rest[..end], rest.get(end + BETWEEN.len()..).unwrap_or_default());
    }
    parts[3] = rest;
    parts
}

/// The entries of a table, as they are written; none of an empty one.
fn entries(table: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Entries {
        allocations: Vec<Box<RawValue>>,
    }
    if table.trim_ascii().is_empty() {
        return Vec::new();
    }
    let Entries { allocations } = serde_json::from_slice(table).unwrap();
    allocations.into_iter().map(|raw| raw.get().to_owned()).collect()
}

/// The first process lives, and an entry without a holder says no more than its number.
fn lives(allocation: &Allocation) -> bool {
    allocation.pid == 1 && allocation.holder.is_none()
}

/// The property of what the parts say.
pub fn check(bytes: &[u8]) {
    let [what, old, new, native] = parts(bytes);
    let Ok(new_table) = Table::parse(new) else { return };
    if Table::parse(old).is_err() {
        return;
    }
    let new = new_table.render().unwrap().into_bytes();
    let body = [&digest(old), &new[..]].concat();
    let journal = [&digest(&body), &body[..]].concat();
    let at = |whole: usize| {
        let number = what.iter().skip(1).fold(0_usize, |number, &byte| number << 8 | usize::from(byte));
        number % (whole + 1)
    };
    let mut torn = journal.clone();
    if let Some(byte) = torn.get_mut(at(journal.len())) {
        *byte ^= 1;
    }
    let (table, journal) = match what.first().map(|what| what % 6) {
        // Before the table was touched, while it was rewritten, before the journal was removed.
        Some(0) => (old, &journal[..at(journal.len())]),
        Some(1) => (&new[..at(new.len())], &journal[..]),
        Some(2) => (&new[..], &journal[..]),
        Some(3) => (native, &journal[..]),
        Some(4) => (old, &torn[..]),
        _ => (old, &journal[..]),
    };

    let directory = tempfile::tempdir().unwrap();
    let (file, beside) = (directory.path().join("scope.lock"), directory.path().join("scope.lock.next"));
    fs::write(&file, table).unwrap();
    fs::write(&beside, journal).unwrap();
    let recover = || ScopeLock::new(&file).transact(WAIT, |_, _| Ok::<_, Infallible>(()));
    let recovered = recover();
    let found = fs::read(&file).unwrap();
    if let Some(0 | 4) = what.first().map(|what| what % 6) {
        assert!(recovered.is_ok() && found == old);
    } else if table == old || table == new {
        assert!(recovered.is_ok() && found == table);
    } else if new.starts_with(table) {
        assert!(recovered.is_ok() && found == new);
    } else if let Ok(native) = Table::parse(table) {
        recovered.unwrap();
        let kept = entries(table);
        assert_eq!(entries(&found)[..kept.len()], kept);
        let merged = Table::parse(&found).unwrap();
        for allocation in new_table.allocations().filter(|allocation| lives(allocation)) {
            assert!(native.get(&allocation.pod_name).is_some() || merged.get(&allocation.pod_name).is_some());
        }
    } else {
        recovered.unwrap_err();
        assert_eq!(found, table);
        assert!(beside.exists());
        return;
    }
    assert!(!beside.exists());
    recover().unwrap();
    assert_eq!(fs::read(&file).unwrap(), found);
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_journal_s_rules() {
    corpus::check_each("journal", check);
}
